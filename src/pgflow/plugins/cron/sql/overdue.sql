-- Schedules whose time has passed and that nobody fires, with whether a live worker knows the task.
select s.name, s.task, extract(epoch from clock_timestamp() - s.next_at)::double precision,
  exists (select from pgflow.workers as w
    where s.task = any (w.tasks) and w.beat_at > clock_timestamp() - interval '30 s')
from pgflow.schedules as s
where not s.paused and s.next_at < (select clock_timestamp()) - %(seconds)s * interval '1 s'
order by s.next_at limit 10
