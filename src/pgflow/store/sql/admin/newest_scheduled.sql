-- Ids of jobs that wait for a time, newest first, within two bounds; first runs or retries.
-- Sorted by the columns, as in newest_dead.sql.
select s.job_id::text, true from pgflow.scheduled as s
where job_id < %(before)s::uuid and job_id >= %(after)s::uuid and (%(queue)s::text is null or queue = %(queue)s)
  and (spent > 0 or suspect and attempt > 1) = (%(state)s = 'retrying')
order by s.job_id desc limit %(most)s
