-- Stop a queue from being claimed.
insert into pgflow.queues as q (name, paused, paused_reason, paused_at)
values (%(queue)s, true, %(reason)s, clock_timestamp())
on conflict (name) do update set paused = true, paused_reason = excluded.paused_reason,
  paused_at = case when q.paused then q.paused_at else excluded.paused_at end
returning name
