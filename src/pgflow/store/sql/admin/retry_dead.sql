-- Give dead jobs one more try: take the dead letter away, which only one hand can, then number and queue the run.
-- A job that died of crashes comes back as the suspect it was. One whose unique key another job holds stays dead.
with named as materialized (
  select d.job_id, j.unique_key, j.queue, j.task, -j.priority as rank, j.max_attempts
  from pgflow.dead_letters as d join pgflow.jobs as j on j.id = d.job_id
  where d.job_id = any (%(ids)s::uuid[]) order by d.job_id for update of d
), keyed as (
  insert into pgflow.unique_keys (scope, key, job_id)
  select distinct on (unique_key) 'job', unique_key, job_id from named where unique_key is not null
  order by unique_key, job_id
  on conflict (scope, key) do nothing
  returning job_id
), taken as (
  delete from pgflow.dead_letters as d using named as n
  where d.job_id = n.job_id and (n.unique_key is null or n.job_id in (select job_id from keyed))
  returning d.job_id, d.attempt + 1 as attempt, d.reason_code = 'WORKER_CRASHED' as suspect, n.queue, n.task,
    n.rank, n.max_attempts
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, finished_at, spent, next_run_at, error_code)
  select job_id, attempt, 'released', now(), nullif(max_attempts - 1, 0), now(), 'RUN_NOW' from taken order by job_id
  on conflict do nothing
  returning job_id
), won as materialized (
  select t.* from taken as t join stored as s on s.job_id = t.job_id
), heeded as (
  delete from pgflow.cancellations as c using won as w where c.job_id = w.job_id
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, rank, now(), job_id, attempt + 1, max_attempts - 1, suspect, suspect or max_attempts = 1
  from won order by queue, rank, job_id
), rung as (
  select count(pg_notify('pgflow', q.queue)) as bells from (select distinct queue from won) as q
), counted as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select date_bin('10 s', now(), '2000-01-01'), queue, task, '-', 'released', count(*), 0, 0,
    pgflow.histogram('{}'), pgflow.histogram('{}')
  from won group by queue, task order by queue, task
  on conflict (bucket, queue, task, worker_id, outcome) do update set count = s.count + excluded.count
)
select w.job_id::text from won as w, rung
