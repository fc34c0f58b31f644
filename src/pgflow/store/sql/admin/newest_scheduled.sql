-- Ids of jobs that wait for a time, newest first, within two bounds.
select job_id::text from pgflow.scheduled
where job_id < %(before)s::uuid and job_id >= %(after)s::uuid order by job_id desc limit %(most)s
