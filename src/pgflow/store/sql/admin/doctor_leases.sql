-- Leases that lapsed over 10 s ago: twice the time between two reapings, and nobody has taken them back.
select count(*), coalesce(sum(cardinality(job_ids)), 0), coalesce(max(extract(epoch from clock_timestamp() - expires_at)), 0)::double precision
from pgflow.leases where expires_at < clock_timestamp() - interval '10 s' and queue <> ''
