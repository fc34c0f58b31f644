-- Remove static schedules that no worker has declared for some time. A paused one stays, or it would come back unpaused.
delete from pgflow.schedules
where kind = 'static' and not paused and seen_at < clock_timestamp() - %(seconds)s * interval '1 s'
returning name
