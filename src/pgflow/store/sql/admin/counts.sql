-- How many jobs stand where, each counted up to 100,001; what has ended is for the stats to tell.
select 'queued', count(*) from (select from pgflow.ready limit 100001) as r
union all
select case when s.spent > 0 or s.suspect and s.attempt > 1 then 'retrying' else 'scheduled' end, count(*)
from (select spent, suspect, attempt from pgflow.scheduled limit 100001) as s group by 1
union all
select 'running', count(*) from (
  select from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  left join lateral (
    select true as ended from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt limit 1
  ) as e on true
  where e.ended is null limit 100001) as l
union all
select 'dead', count(*) from (
  select from pgflow.dead_letters where replayed_as is null and discarded_at is null limit 100001) as d
