-- Whether history is whole: all buckets since the schema was made are in use, or there never were any and retention
-- takes nothing that young. Then what the stats count must all be there.
select coalesce(min(substr(c.relname, 6) collate "C") <= to_char(min(b.at) at time zone 'UTC', 'YYYYMMDD_HH24'),
  min(b.at) > now() - %(kept)s::double precision * interval '1 s')
from (select min(applied_at) as at from pgflow.migrations) as b
left join pg_inherits as i on i.inhparent = 'pgflow.jobs'::regclass
left join pg_class as c on c.oid = i.inhrelid and c.relname <> 'jobs_default'
