-- Snapshots held for over a minute, in any session, replica or prepared transaction: nothing dead since can be cleaned up.
select who, seconds from (
  select 'session ' || pid || coalesce(' of ' || usename, '') || coalesce(' (' || nullif(application_name, '') || ')', '') as who,
    extract(epoch from clock_timestamp() - xact_start)::double precision as seconds
  from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
  union all
  select 'prepared transaction ' || gid, extract(epoch from clock_timestamp() - prepared)::double precision
  from pg_prepared_xacts where database = current_database()
) as t where seconds > 60 order by seconds desc limit 5
