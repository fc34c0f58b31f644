-- I6: no lease stands longer than until the next reaping and 2 s more after it lapsed, by the database's clock.
-- Nobody can reap while the server is down: what lapsed meanwhile is overdue from its start on.
select 'overdue', count(*), min(l.job_ids[1]::text) from pgflow.leases as l
where greatest(l.expires_at, pg_postmaster_start_time()) < now() - (%(reap)s::double precision + 2) * interval '1 s'
