-- For how many seconds these jobs have met only workers that do not know their task.
select u.job_id::text, extract(epoch from clock_timestamp() - min(a.finished_at))::double precision
from unnest(%(job_ids)s::uuid[]) as u (job_id)
join pgflow.attempts as a on a.job_id = u.job_id and a.error_code = 'UNKNOWN_TASK'
where not exists (
  select from pgflow.attempts as k
  where k.job_id = u.job_id and k.attempt > a.attempt and k.error_code is distinct from 'UNKNOWN_TASK')
group by u.job_id
