-- Ids of jobs in ready, newest first, within two bounds; no index has this order, so only for a short ready.
select r.job_id::text, true from pgflow.ready as r
where job_id < %(before)s::uuid and job_id >= %(after)s::uuid and (%(queue)s::text is null or queue = %(queue)s)
order by r.job_id desc limit %(most)s
