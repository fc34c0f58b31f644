-- Of the newest 100,000 jobs: those that are not in exactly one place, or stand under another key than their own,
-- or whose attempts are not numbered without a gap, each with one example. One snapshot, so a job at work is no finding.
with sample as materialized (
  select id, queue, priority, run_at from pgflow.jobs order by id desc limit 100000
), ended as materialized (
  select job_id, count(*) as runs, max(attempt) as number, (array_agg(outcome order by attempt desc))[1]::text as outcome,
    (array_agg(next_run_at order by attempt desc))[1] as next_run_at
  from pgflow.attempts where job_id >= (select id from sample order by id limit 1) group by job_id
), places as materialized (
  select job_id, attempt, queue, rank, run_at, true as keyed from pgflow.ready
  union all
  select job_id, attempt, queue, rank, run_at, true from pgflow.scheduled
  union all
  select u.job_id, u.attempt, l.queue, null, null, false
  from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  left join lateral (
    select true as ended from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt limit 1
  ) as e on true
  where e.ended is null
), standing as materialized (
  select job_id, count(*) as places, min(attempt) as attempt, min(queue) as queue, min(rank) as rank,
    min(run_at) as run_at, bool_or(keyed) as keyed
  from places group by job_id
), judged as (
  select s.id,
    coalesce(p.places, 0) <> case when e.outcome in ('succeeded', 'dead', 'cancelled', 'expired') then 0 else 1 end as lost,
    p.keyed and (p.queue, p.rank, p.run_at) is distinct from (s.queue, -s.priority, coalesce(e.next_run_at, s.run_at)) as misfiled,
    e.runs is distinct from e.number or p.attempt <> coalesce(e.number, 0) + 1 as misnumbered
  from sample as s
  left join ended as e on e.job_id = s.id
  left join standing as p on p.job_id = s.id
)
select (select count(*) from sample), count(*) filter (where lost), min(id::text) filter (where lost),
  count(*) filter (where misfiled), min(id::text) filter (where misfiled),
  count(*) filter (where misnumbered), min(id::text) filter (where misnumbered)
from judged
