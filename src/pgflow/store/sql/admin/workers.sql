-- Workers as their last heartbeat said, with how many jobs their leases hold.
select w.id, w.host, w.pid, w.version, w.backend, w.queues, w.tasks, w.slots, w.running,
  (select coalesce(sum(cardinality(l.job_ids)), 0) from pgflow.leases as l where l.worker_id = w.id), w.stopping,
  w.started_at, w.beat_at, extract(epoch from clock_timestamp() - w.beat_at)::double precision,
  w.beat_at > clock_timestamp() - interval '30 s', w.long_running
from pgflow.workers as w order by w.started_at, w.id
