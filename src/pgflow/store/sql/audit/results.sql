-- I12: a job that is on record has something to run it or has ended, it ends once, and a result is that of a run.
-- A dead job that is retried has not ended: what is run now is handed over anew first.
with runs as (
  select a.job_id, a.outcome, a.worker_id is null or a.started_at is null as unrun,
    lead(a.outcome) over (partition by a.job_id order by a.attempt) as follows,
    count(*) filter (where a.outcome in ('succeeded', 'cancelled', 'expired')) over (partition by a.job_id) as ends
  from pgflow.attempts as a where a.job_id >= %(first)s::uuid
), ended as materialized (
  select r.job_id,
    bool_or(r.ends > 1 or r.outcome in ('succeeded', 'dead', 'cancelled', 'expired')
      and r.follows in ('succeeded', 'dead', 'cancelled', 'expired')) as again,
    bool_or(r.unrun and r.outcome in ('succeeded', 'failed')) as unrun
  from runs as r group by r.job_id
), places as materialized (
  select r.job_id from pgflow.ready as r where r.job_id >= %(first)s::uuid
  union all
  select s.job_id from pgflow.scheduled as s where s.job_id >= %(first)s::uuid
  union all
  select u.job_id from pgflow.leases as l cross join unnest(l.job_ids) as u (job_id) where u.job_id >= %(first)s::uuid
)
select 'never', count(*), min(j.id::text) from pgflow.jobs as j
where j.id >= %(first)s::uuid
  and not exists (select from ended as e where e.job_id = j.id) and not exists (select from places as p where p.job_id = j.id)
union all
select 'again', count(*), min(e.job_id::text) from ended as e where e.again
union all
select 'unrun', count(*), min(e.job_id::text) from ended as e where e.unrun
