-- Add claims to this second's count of a queue.
insert into pgflow.rates as r (kind, queue, second, count)
values ('claim', %(queue)s, date_trunc('second', clock_timestamp()), %(count)s)
on conflict (kind, queue, second) do update set count = r.count + excluded.count
