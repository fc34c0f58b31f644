-- Let a schedule fire again from its next slot on.
update pgflow.schedules set paused = false, paused_reason = null, paused_at = null, next_at = %(next_at)s
where name = %(name)s
