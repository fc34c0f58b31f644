-- Store schedules as they are declared. Pauses and counts stay; one of the other kind is left alone.
insert into pgflow.schedules as s (name, kind, task, queue, args, kwargs, cron, seconds, tz, jitter, misfire_grace,
  coalesces, anchor_at, next_at, seen_at)
select g.name, %(kind)s, g.task, g.queue, g.args, g.kwargs, g.cron, g.seconds, g.tz, g.jitter, g.misfire_grace,
  g.coalesces, g.anchor_at, g.next_at, clock_timestamp()
from json_to_recordset(%(schedules)s::json) as g (name text, task text, queue text, args json, kwargs json, cron text,
  seconds double precision, tz text, jitter double precision, misfire_grace double precision, coalesces boolean,
  anchor_at timestamptz, next_at timestamptz)
order by g.name
on conflict (name) do update set task = excluded.task, queue = excluded.queue, args = excluded.args,
  kwargs = excluded.kwargs, cron = excluded.cron, seconds = excluded.seconds, tz = excluded.tz,
  jitter = excluded.jitter, misfire_grace = excluded.misfire_grace, coalesces = excluded.coalesces,
  anchor_at = excluded.anchor_at, next_at = excluded.next_at, updated_at = clock_timestamp(),
  seen_at = excluded.seen_at
where s.kind = excluded.kind
returning name
