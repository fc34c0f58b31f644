-- Schedules in the order of their names, from one behind `after` on; or those named.
select s.name, s.kind, s.task, s.queue, s.args, s.kwargs, s.cron, s.seconds, s.tz, s.jitter, s.misfire_grace,
  s.coalesces, s.paused, s.paused_reason, s.paused_at, s.anchor_at, s.next_at, s.last_at, s.last_job_id::text,
  s.last_error, s.fired, s.missed, s.coalesced, s.refused, s.created_at, s.updated_at,
  clock_timestamp()
from pgflow.schedules as s
where (%(names)s::text[] is null or s.name = any (%(names)s::text[]))
  and (%(after)s::text is null or s.name > %(after)s::text)
order by s.name limit %(most)s
