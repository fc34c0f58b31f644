-- Seconds until the next schedule is due of those this worker may fire.
select extract(epoch from s.next_at - clock_timestamp())::double precision
from pgflow.schedules as s
where not s.paused and s.next_at is not null
  and (s.name = any (%(declared)s::text[]) or s.kind = 'dynamic' and s.task = any (%(tasks)s::text[]))
  and s.name <> all (%(spared)s::text[])
order by s.next_at limit 1
