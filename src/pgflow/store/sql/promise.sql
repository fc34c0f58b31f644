-- A busy worker promises to keep polling, so that enqueues may leave NOTIFY out.
update pgflow.workers set busy_until = clock_timestamp() + %(seconds)s::double precision * interval '1 s'
where id = %(worker)s
