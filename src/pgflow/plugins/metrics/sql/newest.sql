-- The database's time, the newest minute that is kept, and the first ten seconds after it that are not.
-- What came from a transaction longer than the minutes that are kept anew in each round is in no minute.
with newest as materialized (
  select max(minute) as minute from pgflow.stats_minutes where queue = '*'
)
select clock_timestamp(), newest.minute, (
  select s.bucket from pgflow.stats as s
  where s.bucket >= coalesce((select minute + interval '1 min' from newest), '-infinity') order by s.bucket limit 1)
from newest
