-- Delete minutes that no window reaches back to, and those of a time that the stats were emptied of.
delete from pgflow.stats_minutes as m
where m.minute < clock_timestamp() - %(seconds)s::double precision * interval '1 s'
  or m.minute < coalesce(
    (select date_bin('1 min', s.bucket, '2000-01-01 00:00+00') from pgflow.stats as s order by s.bucket limit 1),
    'infinity')
