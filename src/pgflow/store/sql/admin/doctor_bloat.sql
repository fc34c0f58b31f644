-- Dead rows in the short-lived tables, as the statistics have it.
select relname::text, n_live_tup, n_dead_tup from pg_stat_user_tables
where schemaname = 'pgflow' and relname in ('ready', 'scheduled', 'leases') order by relname
