-- The jobs of some queues that a drain has yet to see the end of, first runs in the future only with `later`.
-- Paused queues have nothing ready.
select w.job_id::text, j.task, w.place, w.attempt, last.error_code, last.error_message
from (
  select r.job_id, r.attempt, 'queued' as place from pgflow.ready as r
  where r.queue = any (%(queues)s::text[])
    and not exists (select from pgflow.queues as q where q.name = r.queue and q.paused)
  union all
  select s.job_id, s.attempt, 'scheduled' from pgflow.scheduled as s
  where s.queue = any (%(queues)s::text[]) and (s.attempt > 1 or %(later)s::boolean)
  union all
  select u.job_id, u.attempt, 'running' from pgflow.leases as l, unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where l.queue = any (%(queues)s::text[])
    and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
) as w
left join pgflow.jobs as j on j.id = w.job_id
left join lateral (
  select a.error_code, a.error_message from pgflow.attempts as a where a.job_id = w.job_id order by a.attempt desc limit 1
) as last on true
order by w.job_id
limit 20
