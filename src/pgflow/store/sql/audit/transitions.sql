-- I5: nothing follows a final outcome but the retry of a dead job, what comes back has somewhere to come back from,
-- an entry stands under its job's own key, and dead letters are those of dead jobs.
-- A lost run without a next one is that of an entry whose job was gone. Letters that retention may have taken are not missed.
with runs as (
  select a.job_id, a.attempt, a.outcome, a.error_code, a.next_run_at,
    lead(a.outcome) over job as follows, lead(a.error_code) over job as follows_code,
    lead(a.attempt) over job is null as last
  from pgflow.attempts as a where a.job_id >= %(first)s::uuid
  window job as (partition by a.job_id order by a.attempt)
), judged as materialized (
  select r.job_id, r.attempt, r.outcome, r.next_run_at, r.last,
    case when r.outcome in ('succeeded', 'cancelled', 'expired')
        then r.follows not in ('succeeded', 'dead', 'cancelled', 'expired')
      when r.outcome = 'dead' then not (r.follows = 'released' and r.follows_code = 'RUN_NOW')
        and r.follows not in ('succeeded', 'dead', 'cancelled', 'expired')
    end as revived,
    (r.next_run_at is not null) <> (r.outcome in ('failed', 'snoozed', 'released', 'lost'))
      and not (r.outcome = 'lost' and r.error_code = 'JOB_MISSING') as misdated
  from runs as r
  where r.last or r.outcome in ('succeeded', 'dead', 'cancelled', 'expired')
    or (r.next_run_at is null and r.error_code is distinct from 'JOB_MISSING')
), entries as (
  select e.job_id, e.queue, e.rank, e.run_at from pgflow.ready as e where e.job_id >= %(first)s::uuid
  union all
  select e.job_id, e.queue, e.rank, e.run_at from pgflow.scheduled as e where e.job_id >= %(first)s::uuid
), leased as (
  select u.job_id from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where u.job_id >= %(first)s::uuid
    and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
), standing as materialized (
  select job_id from entries union all select job_id from leased
), dropped as (
  select j.job_id from judged as j join pgflow.jobs as t on t.id = j.job_id
  where j.last and j.outcome in ('failed', 'snoozed', 'released', 'lost')
    and not exists (select from standing as s where s.job_id = j.job_id)
), misfiled as (
  select e.job_id from entries as e join pgflow.jobs as t on t.id = e.job_id
  left join judged as j on j.job_id = e.job_id and j.last
  where (e.queue, e.rank, e.run_at) is distinct from (t.queue, -t.priority, coalesce(j.next_run_at, t.run_at))
), orphans as (
  select s.job_id from standing as s where not exists (select from pgflow.jobs as t where t.id = s.job_id)
), undead as (
  select d.job_id from pgflow.dead_letters as d
  left join judged as j on j.job_id = d.job_id and j.last
  where d.job_id >= %(first)s::uuid and (j.outcome is distinct from 'dead' or j.attempt <> d.attempt)
    and (d.replayed_as is null and d.discarded_at is null or j.job_id is not null)
), unburied as (
  select a.job_id from judged as j
  join pgflow.attempts as a on a.job_id = j.job_id and a.attempt = j.attempt
  where j.last and j.outcome = 'dead' and a.finished_at > now() - %(kept)s::double precision * interval '1 s'
    and not exists (select from pgflow.dead_letters as d where d.job_id = j.job_id)
)
select 'revived', count(*), min(job_id::text) from judged where revived
union all
select 'next run', count(*), min(job_id::text) from judged where misdated
union all
select 'dropped', count(*), min(job_id::text) from dropped
union all
select 'misfiled', count(*), min(job_id::text) from misfiled
union all
select 'orphan', count(*), min(job_id::text) from orphans
union all
select 'letter', count(*), min(job_id::text) from undead
union all
select 'unburied', count(*), min(job_id::text) from unburied
