-- I3: leases on one job never overlap in time, and a job is in one place, once, or has ended.
-- Only runs that have a start count: what was cancelled while it waited, or run now, was in nobody's hands.
-- A start is the database's clock less an age by the worker's: a thousandth of the run may be the clocks' difference.
with runs as (
  select a.job_id, a.started_at, a.finished_at,
    max(a.finished_at) over (partition by a.job_id order by a.attempt rows between unbounded preceding and 1 preceding) as free_at
  from pgflow.attempts as a where a.job_id >= %(first)s::uuid and a.started_at is not null
), places as materialized (
  select r.job_id, null::timestamptz as claimed_at from pgflow.ready as r where r.job_id >= %(first)s::uuid
  union all
  select s.job_id, null from pgflow.scheduled as s where s.job_id >= %(first)s::uuid
  union all
  select u.job_id, l.claimed_at
  from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where u.job_id >= %(first)s::uuid
    and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
), standing as materialized (
  select p.job_id, count(*) as places, max(p.claimed_at) as claimed_at from places as p group by p.job_id
), beside as materialized (
  select s.job_id, s.claimed_at, last.outcome, last.finished_at, last.started_at
  from standing as s cross join lateral (
    select a.outcome, a.started_at, a.finished_at from pgflow.attempts as a where a.job_id = s.job_id
    order by a.attempt desc limit 1) as last
)
select 'overlap', count(*), min(job_id::text) from runs
where started_at + (finished_at - started_at) * 0.001 < free_at
union all
select 'backwards', count(*), min(job_id::text) from runs where finished_at < started_at
union all
select 'twice', count(*), min(job_id::text) from standing where places > 1
union all
select 'ended', count(*), min(job_id::text) from beside where outcome in ('succeeded', 'dead', 'cancelled', 'expired')
union all
select 'claimed', count(*), min(job_id::text) from beside where started_at is not null and claimed_at < finished_at
