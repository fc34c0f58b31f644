-- Acknowledge a flush in which every run succeeded and left nothing else to keep: all of it, or nothing.
-- Nothing is stored, and no row comes back, where a lease is gone or leases of two workers are mixed; a run that has
-- an outcome already violates the fence, which undoes the rest. Then finish.sql sorts out whose outcome stands.
-- A third of its price: no other hand ends a run while its lease is locked here, so that the fence needs no
-- `on conflict` (1.8 us and 48 B of WAL a job), and nothing has to be joined to what came back.
with held as materialized (
  select l.worker_id from pgflow.leases as l where l.id = any (%(leases)s::uuid[]) order by l.id for update
), whole as materialized (
  select min(worker_id) as worker_id, extract(epoch from now())::double precision as now
  from held having count(*) = cardinality(%(leases)s::uuid[]) and min(worker_id) = max(worker_id)
), gone as (
  delete from pgflow.leases where id = any (%(over)s::uuid[]) and exists (select from whole)
), stored as (
  insert into pgflow.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at)
  select d.job_id, d.attempt, 'succeeded', (select worker_id from whole),
    to_timestamp((select now from whole) - d.began), to_timestamp((select now from whole) - d.ended)
  from unnest(%(job_ids)s::uuid[], %(attempts)s::integer[], %(began)s::double precision[],
    %(ended)s::double precision[]) as d (job_id, attempt, began, ended)
  where exists (select from whole)
  order by d.job_id, d.attempt
), heeded as (
  delete from pgflow.cancellations
  where exists (select from pgflow.cancellations) and exists (select from whole)
    and job_id = any (%(job_ids)s::uuid[])
), freed as (
  delete from pgflow.unique_keys
  where scope = 'job' and job_id = any (%(job_ids)s::uuid[]) and exists (select from whole)
), counted as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select date_bin('10 s', now(), '2000-01-01'), c.queue, c.task, w.worker_id, 'succeeded', c.count, c.wait, c.run,
    c.waits::integer[], c.runs::integer[]
  from whole as w, unnest(%(queues)s::text[], %(tasks)s::text[], %(counts)s::bigint[], %(wait)s::double precision[],
    %(run)s::double precision[], %(waits)s::text[], %(runs)s::text[]) as c (queue, task, count, wait, run, waits, runs)
  order by c.queue, c.task
  on conflict (bucket, queue, task, worker_id, outcome) do update set
    count = s.count + excluded.count, wait_seconds = s.wait_seconds + excluded.wait_seconds,
    run_seconds = s.run_seconds + excluded.run_seconds,
    wait_histogram = (select array_agg(x + y order by k)
      from unnest(s.wait_histogram, excluded.wait_histogram) with ordinality as u (x, y, k)),
    run_histogram = (select array_agg(x + y order by k)
      from unnest(s.run_histogram, excluded.run_histogram) with ordinality as u (x, y, k))
)
select true from whole
