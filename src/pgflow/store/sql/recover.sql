-- Read back leases whose claim's answer was lost: what they hold and no attempt has ended yet.
select l.id::text, u.job_id::text, u.attempt, u.spent, l.suspect, -j.priority, l.queue, j.task, j.args::text,
  j.kwargs::text, j.max_attempts, j.timeout, j.keep_result, coalesce(j.expires_at <= now(), false),
  c.job_id is not null, j.headers, extract(epoch from now() - l.claimed_at)::double precision,
  extract(epoch from now() - j.run_at)::double precision
from pgflow.leases as l
cross join unnest(l.job_ids, l.attempts, l.spent) with ordinality as u (job_id, attempt, spent, nth)
left join pgflow.jobs as j on j.id = u.job_id
left join pgflow.cancellations as c on c.job_id = u.job_id
where l.id = any (%(leases)s::uuid[]) and l.worker_id = %(worker)s
  and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
order by l.id, u.nth
