-- Move what is due from scheduled to ready, a thousand at a time, and ring.
-- Returns how many moved and the seconds until the next one, null where none waits.
with due as materialized (
  select ctid as place from pgflow.scheduled where run_at <= now() order by run_at, job_id limit 1000
  for update skip locked
), moved as (
  delete from pgflow.scheduled where ctid = any (array(select place from due))
  returning queue, rank, run_at, job_id, attempt, spent, suspect, alone
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, rank, run_at, job_id, attempt, spent, suspect, alone
  from moved order by queue, rank, run_at, job_id
), rung as (
  select count(pg_notify('pgflow', q.queue)) from (select distinct queue from moved) as q
)
select (select count(*) from moved)::integer,
  (select extract(epoch from min(run_at) - now())::double precision from pgflow.scheduled where run_at > now())
from rung
