-- The newest 200 decisions about one job, oldest first.
select * from (
  select id, created_at, kind, queue, task, job_id::text, decision, reason_code, details
  from pgflow.decisions where job_id = %(job_id)s::uuid order by id desc limit 200
) as d order by id
