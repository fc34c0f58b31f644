-- Charge a queue with enqueues to come: `need` and up to `more`, or nothing where `need` is over what is left.
with moment as materialized (select clock_timestamp() as at),
recent as materialized (
  select r.second, r.count, sum(r.count) over (order by r.second) as by_then
  from pgflow.rates as r cross join moment
  where r.kind = 'enqueue' and r.queue = %(queue)s and r.second > moment.at - %(counted)s * interval '1 s'
),
space as (select greatest(%(most)s - coalesce(sum(count), 0), 0)::bigint as size from recent),
granted as materialized (
  -- the less is left, the less is handed out ahead, so that little of it can go unused
  select %(need)s + least(%(more)s, (size - %(need)s) / 8) as count from space where size >= %(need)s
),
charged as (
  insert into pgflow.rates as r (kind, queue, second, count)
  select 'enqueue', %(queue)s, date_trunc('second', moment.at), granted.count from granted cross join moment
  on conflict (kind, queue, second) do update set count = r.count + excluded.count
)
select (select count from granted), space.size, (
  select extract(epoch from min(recent.second) - moment.at) + %(counted)s
  from recent where space.size + recent.by_then >= %(need)s
)::double precision
from space cross join moment
