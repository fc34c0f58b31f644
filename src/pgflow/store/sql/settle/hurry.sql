-- Move what waits for a retry, or with `later` for its first run, to ready before its time; how many moved.
-- The run_at stays, since an entry's key must be the one its job's rows tell.
with early as materialized (
  select s.ctid as place from pgflow.scheduled as s
  left join lateral (
    select a.outcome from pgflow.attempts as a where a.job_id = s.job_id order by a.attempt desc limit 1
  ) as last on true
  where s.queue = any (%(queues)s::text[])
    and (%(retries)s::boolean and last.outcome in ('failed', 'snoozed', 'lost') or %(later)s::boolean and s.attempt = 1)
  for update of s skip locked
), moved as (
  delete from pgflow.scheduled where ctid = any (array(select place from early))
  returning queue, rank, run_at, job_id, attempt, spent, suspect, alone
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, rank, run_at, job_id, attempt, spent, suspect, alone
  from moved order by queue, rank, run_at, job_id
), rung as (
  select count(pg_notify('pgflow', q.queue)) from (select distinct queue from moved) as q
)
select (select count(*) from moved)::integer from rung
