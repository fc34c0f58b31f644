-- Hold on to a turn, or let it come round again, so many seconds from now; false where it was not this worker's.
update pgflow.turns set taken_until = clock_timestamp() + %(seconds)s::double precision * interval '1 s'
where name = %(name)s and taken_by = %(worker)s and taken_until > clock_timestamp()
returning true
