-- Acknowledge a whole flush: lock its leases in order, write the fence, then do what follows for the rows that won.
-- Returns the runs whose outcome was dropped: another hand had ended them first.
-- `more` holds what few outcomes have, by number; a wish to cancel turns what would come back into cancelled.
-- Unique keys are freed by probes of their index, 0.3 us each where there are none; to ask first whether any stands
-- could mean to walk past all that were freed under a held snapshot.
with held as materialized (
  select l.id, l.worker_id, l.queue from pgflow.leases as l
  where l.id = any (%(leases)s::uuid[]) order by l.id for update
), done as materialized (
  select d.nth, l.worker_id, l.queue, d.job_id, d.attempt, d.outcome, (%(tasks)s::text[])[d.task] as task, d.wait,
    now() - d.began * interval '1 s' as started_at, now() - d.ended * interval '1 s' as finished_at, d.began - d.ended as run
  from unnest(%(lease_of)s::integer[], %(job_ids)s::uuid[], %(attempts)s::integer[], %(outcomes)s::pgflow.outcome[],
    %(task_of)s::integer[], %(waits)s::double precision[], %(began)s::double precision[], %(ended)s::double precision[])
    with ordinality as d (lease, job_id, attempt, outcome, task, wait, began, ended, nth)
  join held as l on l.id = (%(leases)s::uuid[])[d.lease]
), more as materialized (
  select m.*, c.asked_by, c.job_id is not null and m.delay is not null as cancelled
  from json_to_recordset(%(more)s::json) as m (nth bigint, job_id uuid, spent integer, delay double precision,
    rank integer, suspect boolean, alone boolean, error_code text, error_message text, traceback text, result json,
    reason_code text)
  left join pgflow.cancellations as c on c.job_id = m.job_id
), judged as materialized (
  select d.nth, d.worker_id, d.queue, d.job_id, d.attempt, d.task, d.wait, d.started_at, d.finished_at, d.run,
    case when m.cancelled then 'cancelled'::pgflow.outcome else d.outcome end as outcome,
    case when m.cancelled then 'CANCELLED' else m.error_code end as error_code,
    case when not m.cancelled then now() + m.delay * interval '1 s' end as next_run_at,
    case when m.asked_by is not null and (m.cancelled or d.outcome = 'cancelled') then 'cancelled by ' || m.asked_by
      else m.error_message end as error_message,
    m.spent, m.rank, m.suspect, m.alone, m.traceback, m.result, m.reason_code
  from done as d left join more as m on m.nth = d.nth
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at, spent, next_run_at,
    error_code, error_message, traceback, result)
  select job_id, attempt, outcome, worker_id, started_at, finished_at, nullif(spent, 0), next_run_at,
    error_code, error_message, traceback, result
  from judged order by job_id, attempt
  on conflict do nothing
  returning job_id, attempt
), won as materialized (
  select j.* from judged as j join stored as s on s.job_id = j.job_id and s.attempt = j.attempt
), gone as (
  delete from pgflow.leases where id = any (%(over)s::uuid[]) and id in (select id from held)
), put_off as (
  insert into pgflow.scheduled (run_at, job_id, queue, rank, attempt, spent, suspect, alone)
  select next_run_at, job_id, queue, rank, attempt + 1, spent, suspect, alone
  from won where next_run_at > now() order by next_run_at, job_id
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, rank, next_run_at, job_id, attempt + 1, spent, suspect, alone
  from won where next_run_at <= now() order by queue, rank, next_run_at, job_id
), rung as (
  select count(pg_notify('pgflow', q.queue)) from (select distinct queue from won where next_run_at <= now()) as q
), buried as (
  insert into pgflow.dead_letters (job_id, dead_at, attempt, queue, task, reason_code, error_code, error_message)
  select job_id, now(), attempt, queue, task, reason_code, error_code, error_message
  from won where outcome = 'dead' order by job_id
), heeded as (
  delete from pgflow.cancellations as c using won as w
  where exists (select from pgflow.cancellations) and c.job_id = w.job_id
), freed as (
  delete from pgflow.unique_keys as k
  where k.scope = 'job'
    and k.job_id = any (array(select job_id from won where outcome in ('succeeded', 'dead', 'cancelled', 'expired')))
), counted as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select date_bin('10 s', now(), '2000-01-01'), queue, task, worker_id, outcome, count(*), sum(wait), sum(run),
    pgflow.histogram(array_agg(wait)), pgflow.histogram(array_agg(run))
  from won group by queue, task, worker_id, outcome order by queue, task, worker_id, outcome
  on conflict (bucket, queue, task, worker_id, outcome) do update set
    count = s.count + excluded.count, wait_seconds = s.wait_seconds + excluded.wait_seconds,
    run_seconds = s.run_seconds + excluded.run_seconds,
    wait_histogram = pgflow.histogram_add(s.wait_histogram, excluded.wait_histogram),
    run_histogram = pgflow.histogram_add(s.run_histogram, excluded.run_histogram)
)
select t.job_id::text, t.attempt
from unnest(%(job_ids)s::uuid[], %(attempts)s::integer[]) as t (job_id, attempt), rung
where not exists (select from stored as s where s.job_id = t.job_id and s.attempt = t.attempt)
