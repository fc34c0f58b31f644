-- Lock the schedule that has been due longest of those this worker may fire; one another worker is at is passed over.
-- The time is read in a subquery: a volatile function in the condition itself would keep the index from being used.
select s.name, s.kind, s.task, s.queue, s.args, s.kwargs, s.cron, s.seconds, s.tz, s.jitter, s.misfire_grace,
  s.coalesces, s.paused, s.paused_reason, s.paused_at, s.anchor_at, s.next_at, s.last_at, s.last_job_id::text,
  s.last_error, s.fired, s.missed, s.coalesced, s.refused, s.created_at, s.updated_at,
  clock_timestamp()
from pgflow.schedules as s
where not s.paused and s.next_at <= (select clock_timestamp())
  and (s.name = any (%(declared)s::text[]) or s.kind = 'dynamic' and s.task = any (%(tasks)s::text[]))
  and s.name <> all (%(spared)s::text[])
order by s.next_at limit 1 for update skip locked
