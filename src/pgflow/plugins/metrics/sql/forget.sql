-- Delete minutes that no window reaches back to.
delete from pgflow.stats_minutes as m
where m.minute < clock_timestamp() - %(seconds)s::double precision * interval '1 s'
