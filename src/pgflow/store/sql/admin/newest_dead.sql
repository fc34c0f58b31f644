-- Ids of dead jobs, newest first, within two bounds.
select job_id::text, true from pgflow.dead_letters
where job_id < %(before)s::uuid and job_id >= %(after)s::uuid order by job_id desc limit %(most)s
