-- A worker that stops takes its row away, unless it still holds a lease.
delete from pgflow.workers as w where w.id = %(worker)s
  and not exists (select from pgflow.leases as l where l.worker_id = w.id)
