-- A worker says that it is here, what it takes and what it has been running for long. Nothing is lost with a beat
-- that a crash of the server takes back: its commit is relaxed, by the statement itself.
with relaxed as materialized (
  select set_config('synchronous_commit', 'off', true)
)
insert into pgflow.workers as w (id, started_at, beat_at, busy_until, pid, slots, running, stopping, host, version,
  backend, queues, tasks, long_running)
select %(worker)s, clock_timestamp(), clock_timestamp(), clock_timestamp() + %(busy)s::double precision * interval '1 s',
  %(pid)s, %(slots)s, %(running)s, %(stopping)s, %(host)s, %(version)s, %(backend)s, %(queues)s, %(tasks)s,
  %(long_running)s::json
from relaxed
on conflict (id) do update set beat_at = excluded.beat_at,
  busy_until = greatest(w.busy_until, excluded.busy_until), pid = excluded.pid, slots = excluded.slots,
  running = excluded.running, stopping = excluded.stopping, host = excluded.host, version = excluded.version,
  backend = excluded.backend, queues = excluded.queues, tasks = excluded.tasks, long_running = excluded.long_running
