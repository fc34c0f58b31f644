-- Ids of jobs in a lease, newest first, within two bounds.
select u.job_id::text, true from pgflow.leases as l, unnest(l.job_ids) as u (job_id)
where u.job_id < %(before)s::uuid and u.job_id >= %(after)s::uuid
  and (%(queue)s::text is null or l.queue = %(queue)s) and (%(worker)s::text is null or l.worker_id = %(worker)s)
order by u.job_id desc limit %(most)s
