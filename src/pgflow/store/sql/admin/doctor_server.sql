-- The server: its version, whether it only follows another, and whether it vacuums by itself.
select current_setting('server_version'), current_setting('server_version_num')::integer, pg_is_in_recovery(),
  current_setting('autovacuum')::boolean and current_setting('track_counts')::boolean
