-- Transactions open for long, in a session or prepared: what has died since cannot be cleaned up.
select who, seconds from (
  select 'session ' || pid || coalesce(' of ' || usename, '') || coalesce(' (' || nullif(application_name, '') || ')', '') as who,
    extract(epoch from clock_timestamp() - xact_start)::double precision as seconds
  from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
  union all
  select 'prepared transaction ' || gid, extract(epoch from clock_timestamp() - prepared)::double precision
  from pg_prepared_xacts where database = current_database()
) as t where seconds > %(seconds)s order by seconds desc limit 5
