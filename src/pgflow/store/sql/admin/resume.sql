-- Let a queue be claimed again, and ring; nothing comes back where it was not paused.
with resumed as (
  update pgflow.queues set paused = false, paused_reason = null, paused_at = null
  where name = %(queue)s and paused
  returning name
)
select name, pg_notify('pgflow', name) from resumed
