-- Say that static schedules are still declared; seldom, since each write leaves a dead row.
update pgflow.schedules set seen_at = clock_timestamp()
where name = any (%(names)s::text[]) and kind = 'static' and seen_at < clock_timestamp() - interval '10 min'
