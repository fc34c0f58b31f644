-- Stop a schedule from firing; paused again, it keeps the time since when.
update pgflow.schedules set paused = true, paused_reason = %(reason)s,
  paused_at = case when paused then paused_at else clock_timestamp() end
where name = %(name)s returning name
