-- Run now what waits for a time: take its entry, number the hand-over, and queue it with nothing spent.
with put_off as materialized (
  select s.ctid as place from pgflow.scheduled as s where s.job_id = any (%(ids)s::uuid[]) for update skip locked
), taken as (
  delete from pgflow.scheduled where ctid = any (array(select place from put_off))
  returning job_id, attempt, spent, queue, rank, suspect, alone
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, finished_at, spent, next_run_at, error_code)
  select job_id, attempt, 'released', now(), nullif(spent, 0), now(), 'RUN_NOW' from taken order by job_id
  on conflict do nothing
  returning job_id
), won as materialized (
  select t.*, coalesce(j.task, '-') as task
  from taken as t join stored as s on s.job_id = t.job_id left join pgflow.jobs as j on j.id = t.job_id
), heeded as (
  delete from pgflow.cancellations as c using won as w where c.job_id = w.job_id
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, rank, now(), job_id, attempt + 1, spent, suspect, alone from won order by queue, rank, job_id
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
