-- Make one bucket; only one process at a time, the others leave it to that one.
select case when pg_try_advisory_xact_lock(%(key)s)
  then pgflow.create_bucket(%(name)s, pgflow.uuid_floor(%(starts_at)s), pgflow.uuid_floor(%(ends_at)s)) else false end
