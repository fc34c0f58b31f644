-- Forty workers, four to a queue. Their heartbeats are dated a day ahead: there is nobody to give them.
insert into pgflow.workers (id, started_at, beat_at, pid, slots, running, stopping, host, version, backend, queues, tasks,
  long_running)
select 'worker-' || q || '-' || w, clock_timestamp() - interval '1 day', clock_timestamp() + interval '1 day',
  1000 + 4 * q + w, 100, 100, false, 'host-' || w, '1', 'asyncio', array['queue-' || q],
  array['bench.task_' || lpad((2 * q)::text, 2, '0'), 'bench.task_' || lpad((2 * q + 1)::text, 2, '0')], '[]'
from generate_series(0, 9) as q cross join generate_series(0, 3) as w
