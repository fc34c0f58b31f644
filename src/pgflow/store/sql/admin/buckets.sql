-- The partitions of jobs with their rows as autovacuum's statistics have it, and the bytes they and their attempts take.
select substr(c.relname, 6), greatest(pg_stat_get_live_tuples(c.oid), 0),
  pg_total_relation_size(c.oid) + coalesce(pg_total_relation_size(to_regclass('pgflow.attempts_' || substr(c.relname, 6))), 0)
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'pgflow.jobs'::regclass
order by c.relname
