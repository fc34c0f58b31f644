-- I4: attempts are numbered from 1 without a gap, failures stay within what is allowed, and crashes spend only of a
-- job that ran alone: one that was lost before, or that may run only once. A dead job that is retried may fail once more.
with runs as (
  select a.job_id, a.attempt, a.outcome, coalesce(a.spent, 0) as spent, a.error_code,
    coalesce(a.error_code = 'LEASE_EXPIRED' and a.error_message like 'worker %% stopped answering', false) as crashed,
    coalesce(a.error_message like 'its %% outcome could not be stored: %%', false) as replaced,
    row_number() over job as nth, lead(a.attempt) over job is null as last, lag(a.outcome) over job as outcome_before,
    coalesce(lag(a.spent) over job, 0) as spent_before
  from pgflow.attempts as a where a.job_id >= %(first)s::uuid
  window job as (partition by a.job_id order by a.attempt)
), jobs as materialized (
  select r.job_id, count(*) as runs, max(r.attempt) as number, bool_or(r.nth <> r.attempt) as gap,
    max(r.spent) filter (where r.last) as spent,
    bool_or(case
      when r.outcome = 'released' and r.outcome_before = 'dead' then false
      when r.outcome in ('succeeded', 'snoozed', 'released', 'expired') then r.spent <> r.spent_before
      else r.spent - r.spent_before not in (0, 1) end) as misspent,
    count(*) filter (where r.outcome = 'released' and r.outcome_before = 'dead') as retries,
    max(r.spent) filter (where r.outcome = 'released' and r.outcome_before = 'dead') as allowed_most,
    min(r.spent) filter (where r.outcome = 'released' and r.outcome_before = 'dead') as allowed_least,
    max(r.spent) as spent_most,
    count(*) filter (where r.outcome in ('failed', 'dead') and not r.replaced and r.error_code is distinct from 'UNKNOWN_TASK'
      or r.outcome = 'lost' and r.spent > r.spent_before) as failures,
    max(r.outcome) filter (where r.last) as outcome,
    coalesce(bool_or(r.crashed) filter (where r.last), false) as crashed
  from runs as r group by r.job_id
), crashes as (
  select r.job_id, r.attempt from runs as r where r.crashed and r.outcome in ('lost', 'dead') and r.spent > r.spent_before
), guilty as (
  select c.job_id from crashes as c join pgflow.jobs as j on j.id = c.job_id
  left join lateral (
    select a.outcome, a.error_code from pgflow.attempts as a
    where a.job_id = c.job_id and a.attempt < c.attempt and a.outcome <> 'released' order by a.attempt desc limit 1
  ) as before on true
  where j.max_attempts > 1 and not coalesce(before.outcome in ('lost', 'dead') and before.error_code = 'LEASE_EXPIRED', false)
  union all
  select d.job_id from pgflow.dead_letters as d
  join pgflow.attempts as a on a.job_id = d.job_id and a.attempt = d.attempt
  where d.job_id >= %(first)s::uuid and d.reason_code = 'WORKER_CRASHED' and a.error_code is distinct from 'LEASE_EXPIRED'
), entries as (
  select e.job_id, e.attempt, e.spent, e.suspect, e.alone from pgflow.ready as e where e.job_id >= %(first)s::uuid
  union all
  select e.job_id, e.attempt, e.spent, e.suspect, e.alone from pgflow.scheduled as e where e.job_id >= %(first)s::uuid
  union all
  select u.job_id, u.attempt, u.spent, l.suspect, l.alone
  from pgflow.leases as l cross join unnest(l.job_ids, l.attempts, l.spent) as u (job_id, attempt, spent)
  where u.job_id >= %(first)s::uuid
    and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
), standing as materialized (
  select e.*, coalesce(j.number, 0) as number, coalesce(j.spent, 0) as spent_before, j.outcome, j.crashed
  from entries as e left join jobs as j on j.job_id = e.job_id
), limited as materialized (
  select h.*, j.max_attempts from jobs as h join pgflow.jobs as j on j.id = h.job_id
  where h.failures > 0 or h.retries > 0 or h.spent_most > 0
)
select 'gap', count(*), min(job_id::text) from jobs where gap
union all
select 'number', count(*), min(job_id::text) from standing where attempt <> number + 1
union all
select 'spent', count(*), min(job_id::text)
from (select job_id from jobs where misspent union all select job_id from standing where spent <> spent_before) as s
union all
select 'failures', count(*), min(job_id::text) from limited
where failures > max_attempts + retries or spent_most > max_attempts
union all
select 'allowance', count(*), min(job_id::text) from limited
where allowed_most <> max_attempts - 1 or allowed_least <> max_attempts - 1
union all
select 'guilty', count(*), min(job_id::text) from guilty
union all
select 'suspect', count(*), min(job_id::text) from standing
where outcome = 'lost' and crashed and not (suspect and alone)
