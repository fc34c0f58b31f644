-- Close dead letters without running them again.
update pgflow.dead_letters set discarded_at = clock_timestamp()
where job_id = any (%(ids)s::uuid[]) and discarded_at is null
returning job_id::text
