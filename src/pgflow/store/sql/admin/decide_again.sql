-- Count more refusals of a kind on a decision's row; nothing comes back where it is gone.
update pgflow.decisions set count = count + %(count)s, last_at = clock_timestamp()
where id = %(id)s
returning id
