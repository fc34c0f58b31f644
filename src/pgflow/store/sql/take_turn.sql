-- Take the turn at what one worker at a time does; nothing comes back where another holds it.
-- With `rest`, a turn that comes round within so many seconds is taken early. Where rounds are further apart than a
-- turn is long, one that is held looks no different: its holder finds it gone, and ends early, unharmed.
insert into pgflow.turns as t (name, taken_by, taken_until)
values (%(name)s, %(worker)s, clock_timestamp() + %(seconds)s::double precision * interval '1 s')
on conflict (name) do update set taken_by = excluded.taken_by, taken_until = excluded.taken_until
where t.taken_until < clock_timestamp() + %(rest)s::double precision * interval '1 s'
returning taken_until
