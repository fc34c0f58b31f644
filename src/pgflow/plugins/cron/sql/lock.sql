-- Read schedules by name and hold on to them, in one order for everyone; each row brings the time.
select s.name, s.kind, s.task, s.queue, s.args, s.kwargs, s.cron, s.seconds, s.tz, s.jitter, s.misfire_grace,
  s.coalesces, s.paused, s.paused_reason, s.paused_at, s.anchor_at, s.next_at, s.last_at, s.last_job_id::text,
  s.last_error, s.fired, s.missed, s.coalesced, s.refused, s.created_at, s.updated_at,
  clock_timestamp()
from pgflow.schedules as s where s.name = any (%(names)s::text[]) order by s.name for update
