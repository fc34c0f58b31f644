-- Cancel what waits: take its entry by its exact key, write the fence, and take the wish back as honoured.
-- An entry locked by a claim or a promotion is passed by: its wish stays for the worker to honour.
with named as materialized (
  select j.id, j.queue, j.task, -j.priority as rank, coalesce(a.next_run_at, j.run_at) as run_at
  from unnest(%(ids)s::uuid[]) as u (id)
  cross join lateral (select * from pgflow.jobs as j where j.id = u.id limit 1) as j
  left join lateral (
    select a.next_run_at from pgflow.attempts as a where a.job_id = u.id order by a.attempt desc limit 1
  ) as a on true
), queued as materialized (
  select r.ctid as place from named as n
  join pgflow.ready as r on r.queue = n.queue and r.rank = n.rank and r.run_at = n.run_at and r.job_id = n.id
  for update of r skip locked
), put_off as materialized (
  select s.ctid as place from pgflow.scheduled as s where s.job_id = any (%(ids)s::uuid[]) for update skip locked
), from_ready as (
  delete from pgflow.ready where ctid = any (array(select place from queued)) returning job_id, attempt, spent
), from_scheduled as (
  delete from pgflow.scheduled where ctid = any (array(select place from put_off)) returning job_id, attempt, spent
), taken as materialized (
  select * from from_ready union all select * from from_scheduled
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, finished_at, spent, error_code, error_message)
  select t.job_id, t.attempt, 'cancelled', now(), nullif(t.spent, 0), 'CANCELLED', 'cancelled by ' || c.asked_by
  from taken as t left join pgflow.cancellations as c on c.job_id = t.job_id order by t.job_id
  on conflict do nothing
  returning job_id
), heeded as (
  delete from pgflow.cancellations as c using taken as t where c.job_id = t.job_id
), freed as (
  delete from pgflow.unique_keys as k
  where k.scope = 'job' and k.job_id = any (array(select job_id from stored))
), counted as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select date_bin('10 s', now(), '2000-01-01'), n.queue, n.task, '-', 'cancelled', count(*), 0, 0,
    pgflow.histogram('{}'), pgflow.histogram('{}')
  from stored as t join named as n on n.id = t.job_id group by n.queue, n.task order by n.queue, n.task
  on conflict (bucket, queue, task, worker_id, outcome) do update set count = s.count + excluded.count
)
select job_id::text from stored
