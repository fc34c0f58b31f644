-- The minutes of one queue, or of all of them, from a time on.
select minute, ends, wait_seconds, run_seconds, waits, runs from pgflow.stats_minutes
where queue = coalesce(%(queue)s::text, '*') and minute >= %(since)s::timestamptz order by minute
