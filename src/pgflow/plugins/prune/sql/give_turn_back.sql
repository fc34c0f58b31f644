-- Let the next worker have its turn at maintenance.
update pgflow.turns set taken_until = clock_timestamp() where name = 'maintenance' and taken_by = %(me)s
