-- The newest 200 decisions about one job, oldest first: its own, and those that held its queue back while it waited.
-- One that began before it came counts where the queue was held again since: a row counts for 10 s.
select id, created_at, kind, queue, task, job_id::text, decision, reason_code, details, count, last_at
from (
  (select d.id, d.created_at, d.kind, d.queue, d.task, d.job_id, d.decision, d.reason_code, d.details, d.count,
    coalesce(d.last_at, d.created_at) as last_at
  from pgflow.decisions as d where d.job_id = %(job_id)s::uuid order by d.id desc limit 200)
  union all
  (select d.id, d.created_at, d.kind, d.queue, d.task, d.job_id, d.decision, d.reason_code, d.details, d.count,
    coalesce(d.last_at, d.created_at)
  from pgflow.jobs as j join pgflow.decisions as d on d.queue = j.queue
  where j.id = %(job_id)s::uuid and d.kind = 'policy' and d.job_id is distinct from j.id
    and d.created_at <= %(until)s::timestamptz and d.created_at > %(since)s::timestamptz - interval '11 s'
    and coalesce(d.last_at, d.created_at) >= %(since)s::timestamptz
  order by d.created_at desc limit 200)
  order by id desc limit 200
) as found
order by id
