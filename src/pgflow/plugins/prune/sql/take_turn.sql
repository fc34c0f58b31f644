-- Take the turn at maintenance where no worker is at it; one that has only yet to come round is taken early.
-- Where rounds are further apart than a turn is long, the two look alike: that worker ends its round early, unharmed.
insert into pgflow.turns as t (name, taken_by, taken_until)
values ('maintenance', %(me)s, clock_timestamp() + %(seconds)s::double precision * interval '1 s')
on conflict (name) do update set taken_by = excluded.taken_by, taken_until = excluded.taken_until
where t.taken_until < clock_timestamp() + %(rest)s::double precision * interval '1 s'
returning true
