-- Hold on to the leases this worker names; one locked by a flush or a reaper is left for the next beat.
with standing as materialized (
  select id from pgflow.leases where id = any (%(leases)s::uuid[]) and worker_id = %(worker)s
  order by id for update skip locked
)
update pgflow.leases as l set expires_at = clock_timestamp() + %(seconds)s::double precision * interval '1 s'
from standing as s where l.id = s.id
