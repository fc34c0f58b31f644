-- Ids of jobs of any state, newest first, within two bounds, and whether each is worth a closer look.
-- What can be told without opening leases is told here: 5 us a job, against up to 600 where one runs.
-- A worker has a job, or had it last.
select j.id::text,
  (%(queue)s::text is null or j.queue = %(queue)s) and (%(task)s::text is null or j.task = %(task)s)
  and (%(outcome)s::text is null and %(error_code)s::text is null and %(text)s::text is null
    and %(worker)s::text is null or coalesce((
      select (%(outcome)s is null or a.outcome::text = %(outcome)s)
        and (%(error_code)s is null or a.error_code = %(error_code)s)
        and (%(text)s is null or position(lower(%(text)s) in lower(a.error_message)) > 0)
        and (%(worker)s is null or a.worker_id = %(worker)s)
      from pgflow.attempts as a where a.job_id = j.id order by a.attempt desc limit 1), false)
    or %(worker)s is not null and j.id in (
      select u.job_id from pgflow.leases as l cross join unnest(l.job_ids) as u (job_id) where l.worker_id = %(worker)s))
from pgflow.jobs as j
where j.id < %(before)s::uuid and j.id >= %(after)s::uuid order by j.id desc limit %(most)s
