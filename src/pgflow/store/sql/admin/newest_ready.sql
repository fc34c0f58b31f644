-- Ids of jobs in ready, newest first, within two bounds; no index has this order, so only for a short ready.
select r.job_id::text, true from (
  select job_id from pgflow.ready
  where job_id < %(before)s::uuid and job_id >= %(after)s::uuid and (%(queue)s::text is null or queue = %(queue)s)
  order by job_id desc limit %(most)s) as r
