-- Note a job that a schedule made by hand.
update pgflow.schedules set last_at = clock_timestamp(), last_job_id = %(job_id)s::uuid, last_error = null
where name = %(name)s
