-- The database's time, the newest minute that is kept, the first ten seconds after it that are not, and the first
-- minute of all that the stats still hold: what was kept before it is of a time they were emptied of.
-- What came from a transaction longer than the minutes that are kept anew in each round is in no minute.
with newest as materialized (
  select max(minute) as minute from pgflow.stats_minutes where queue = '*'
)
select clock_timestamp(), newest.minute, (
  select s.bucket from pgflow.stats as s
  where s.bucket >= coalesce((select minute + interval '1 min' from newest), '-infinity') order by s.bucket limit 1), (
  select date_bin('1 min', s.bucket, '2000-01-01 00:00+00') from pgflow.stats as s order by s.bucket limit 1)
from newest
