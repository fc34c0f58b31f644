-- What stands around one job: its entry, its lease, its queue, who could run it, and who wishes it cancelled.
select clock_timestamp() as now,
  coalesce(r.suspect, s.suspect, l.suspect, false) as suspect,
  r.run_at as ready_since,
  (select count(*) from (
    select from pgflow.ready as b where b.queue = r.queue and (b.rank, b.run_at, b.job_id) < (r.rank, r.run_at, r.job_id)
    limit 100001) as before) as before,
  l.worker_id as holder, l.claimed_at, l.expires_at as lease_until,
  coalesce(q.paused, false) as paused, q.paused_reason, q.paused_at,
  (select count(*) from pgflow.workers as w
    where j.queue = any (w.queues) and w.beat_at > clock_timestamp() - interval '30 s' and not w.stopping) as workers,
  (select count(*) from pgflow.workers as w
    where j.queue = any (w.queues) and j.task = any (w.tasks)
      and w.beat_at > clock_timestamp() - interval '30 s' and not w.stopping) as knowing,
  c.asked_at, c.asked_by,
  q.max_in_flight,
  case when q.max_in_flight is not null then (
    select count(*) from pgflow.leases as f cross join unnest(f.job_ids, f.attempts) as u (job_id, attempt)
    where f.queue = j.queue
      and not exists (select from pgflow.attempts as e where e.job_id = u.job_id and e.attempt = u.attempt)) end as in_flight,
  q.max_attempts_per_minute,
  case when q.max_attempts_per_minute is not null then (
    select coalesce(sum(m.count), 0) from pgflow.rates as m where m.kind = 'claim' and m.queue = j.queue
      and m.second >= date_trunc('second', clock_timestamp()) - interval '60 s')::bigint end as last_minute,
  h.reason_code as held_code, h.reason as held_reason, h.at as held_at
from pgflow.jobs as j
left join lateral (
  select a.attempt, a.next_run_at from pgflow.attempts as a where a.job_id = j.id order by a.attempt desc limit 1
) as a on true
left join pgflow.ready as r
  on r.queue = j.queue and r.rank = -j.priority and r.run_at = coalesce(a.next_run_at, j.run_at) and r.job_id = j.id
left join pgflow.scheduled as s on s.job_id = j.id
left join lateral (
  select l.worker_id, l.claimed_at, l.expires_at, l.suspect
  from pgflow.leases as l, unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where l.job_ids @> array[j.id] and u.job_id = j.id and u.attempt > coalesce(a.attempt, 0) limit 1
) as l on true
left join pgflow.queues as q on q.name = j.queue
left join pgflow.cancellations as c on c.job_id = j.id
left join lateral (
  select d.reason_code, d.details ->> 'reason' as reason, coalesce(d.last_at, d.created_at) as at
  from pgflow.decisions as d where d.queue = j.queue and d.kind = 'policy' order by d.created_at desc limit 1
) as h on h.at > clock_timestamp() - greatest(interval '15 s', 2 * coalesce(q.throttle_delay_ms, 0) * interval '1 ms')
where j.id = %(job_id)s::uuid
