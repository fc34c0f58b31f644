-- Take back lapsed leases: what no attempt has ended is lost, and comes back as a suspect, one to a lease.
-- Void leases, which have no queue, have served their time.
-- A lease of one job alone, started by definition, spends; at its limit the job dies of its own crash.
with lapsed as materialized (
  select l.* from pgflow.leases as l where l.expires_at < clock_timestamp() and l.queue <> ''
  order by l.id limit 16 for update skip locked
), unneeded as (
  delete from pgflow.leases where ctid = any (array(
    select v.ctid from pgflow.leases as v where v.queue = '' and v.expires_at < clock_timestamp()
    limit 1000 for update skip locked))
), unfinished as materialized (
  select l.worker_id, l.queue, l.claimed_at, u.job_id, u.attempt, u.spent + l.alone::integer as spent,
    coalesce(j.task, '-') as task, coalesce(-j.priority, 0) as rank,
    c.job_id is not null as cancelled, c.asked_by, l.alone and u.spent + 1 >= j.max_attempts as guilty,
    (select count(*) from pgflow.attempts as a where a.job_id = u.job_id and a.outcome = 'lost') as losses
  from lapsed as l
  cross join unnest(l.job_ids, l.attempts, l.spent) as u (job_id, attempt, spent)
  left join pgflow.jobs as j on j.id = u.job_id
  left join pgflow.cancellations as c on c.job_id = u.job_id
  where not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
), judged as materialized (
  select u.*,
    case when u.cancelled then 'cancelled' when u.guilty then 'dead' else 'lost' end::pgflow.outcome as outcome,
    case when u.cancelled then 'CANCELLED' else 'LEASE_EXPIRED' end as error_code,
    case when u.cancelled then 'cancelled by ' || u.asked_by else 'worker ' || u.worker_id || ' stopped answering' end as error_message,
    case when not (u.cancelled or coalesce(u.guilty, false))
      then now() + least(60, 2 ^ least(u.losses, 6)) * interval '1 s' end as next_run_at
  from unfinished as u
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at, spent, next_run_at,
    error_code, error_message)
  select job_id, attempt, outcome, worker_id, claimed_at, now(), nullif(spent, 0), next_run_at, error_code,
    error_message
  from judged order by job_id, attempt
  on conflict do nothing
  returning job_id, attempt
), won as materialized (
  select j.* from judged as j join stored as s on s.job_id = j.job_id and s.attempt = j.attempt
), gone as (
  delete from pgflow.leases where id in (select id from lapsed)
), put_off as (
  insert into pgflow.scheduled (run_at, job_id, queue, rank, attempt, spent, suspect, alone)
  select next_run_at, job_id, queue, rank, attempt + 1, spent, true, true
  from won where next_run_at is not null order by next_run_at, job_id
), buried as (
  insert into pgflow.dead_letters (job_id, dead_at, attempt, queue, task, reason_code, error_code, error_message)
  select job_id, now(), attempt, queue, task, 'WORKER_CRASHED', error_code, error_message
  from won where outcome = 'dead' order by job_id
), heeded as (
  delete from pgflow.cancellations as c using won as w where c.job_id = w.job_id
), freed as (
  delete from pgflow.unique_keys as k
  where k.scope = 'job' and k.job_id = any (array(select job_id from won where next_run_at is null))
), counted as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select date_bin('10 s', now(), '2000-01-01'), queue, task, worker_id, outcome, count(*), 0, 0,
    pgflow.histogram('{}'), pgflow.histogram('{}')
  from won group by queue, task, worker_id, outcome order by queue, task, worker_id, outcome
  on conflict (bucket, queue, task, worker_id, outcome) do update set count = s.count + excluded.count
)
select job_id::text, attempt, outcome::text, queue, task, worker_id from won
