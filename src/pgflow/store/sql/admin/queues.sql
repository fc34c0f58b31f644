-- Every queue that has settings, entries, leases or a live worker, at a glance.
-- Depth is counted up to 100,000; beyond, what autovacuum's statistics leave for it is an estimate.
with recursive waiting as (
  (select queue from pgflow.ready order by queue limit 1)
  union all
  select (select r.queue from pgflow.ready as r where r.queue > w.queue order by r.queue limit 1)
  from waiting as w where w.queue is not null
), put_off as materialized (
  select queue, count(*) as entries from (select queue from pgflow.scheduled limit 100001) as s group by queue
), running as materialized (
  select l.queue, count(*) as jobs
  from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  left join lateral (
    select true as ended from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt limit 1
  ) as e on true
  where e.ended is null group by l.queue
), live as materialized (
  select q.queue, count(*) as workers from pgflow.workers as w cross join unnest(w.queues) as q (queue)
  where w.beat_at > clock_timestamp() - interval '30 s' and not w.stopping group by q.queue
), named as (
  select name from pgflow.queues union select queue from waiting where queue is not null
  union select queue from put_off union select queue from running union select queue from live
), counted as materialized (
  select n.name, c.entries, c.oldest, c.entries > 100000 as many
  from named as n cross join lateral (
    select count(*) as entries, min(h.run_at) as oldest
    from (select r.run_at from pgflow.ready as r where r.queue = n.name order by r.rank, r.run_at limit 100001) as h
  ) as c
)
select c.name,
  case when c.many then greatest(c.entries, (pg_stat_get_live_tuples('pgflow.ready'::regclass)
    - (select coalesce(sum(entries) filter (where not many), 0) from counted))
    / (select count(*) from counted where many))::bigint else c.entries end,
  c.many, coalesce(p.entries, 0), coalesce(r.jobs, 0),
  extract(epoch from clock_timestamp() - c.oldest)::double precision,
  coalesce(l.workers, 0), coalesce(q.paused, false), q.paused_reason, q.paused_at,
  q.max_in_flight, q.max_attempts_per_minute, q.throttle_delay_ms
from counted as c
left join put_off as p on p.queue = c.name
left join running as r on r.queue = c.name
left join live as l on l.queue = c.name
left join pgflow.queues as q on q.name = c.name
order by c.name
