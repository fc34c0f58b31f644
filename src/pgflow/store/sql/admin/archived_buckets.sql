-- The buckets that were archived: tables of jobs that are no partition any more.
select substr(c.relname, 6)
from pg_class as c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r' and not c.relispartition
  and c.relname ~ '^jobs_[0-9]{8}(_[0-9]{2})?$'
order by c.relname
