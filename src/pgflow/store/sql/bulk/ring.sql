-- Ring for queues that got jobs, as enqueue.sql does: not where every live worker has promised to keep polling.
select count(pg_notify('pgflow', q.queue))
from unnest(cast(%(queues)s as text[])) as q (queue), (select clock_timestamp() as now) as c
where exists (
  select from pgflow.workers as w
  where q.queue = any (w.queues) and w.beat_at > c.now - interval '2 min'
    and (w.busy_until is null or w.busy_until < c.now + interval '1 s'))
