-- I9: the stats count every attempt once. A flush counts into the bucket of its own time, at or after its runs' ends:
-- so what ended since a bucket began is counted there or later.
-- Where retention has taken jobs, or only some are looked at, their counts stay: then only what is missing is wrong.
-- Counts of a job that was gone stand under no task, and are not compared.
with span as materialized (
  select case when (select min(applied_at) from pgflow.migrations) > now() - %(kept)s::double precision * interval '1 s'
    then '-infinity' else coalesce(min(bucket) + interval '10 s', 'infinity') end as since
  from pgflow.stats
), recounted as materialized (
  select j.queue, j.task, coalesce(a.worker_id, '-') as worker_id, a.outcome, count(*) as n
  from pgflow.attempts as a join pgflow.jobs as j on j.id = a.job_id
  where a.job_id >= %(first)s::uuid and a.finished_at >= (select since from span)
  group by j.queue, j.task, coalesce(a.worker_id, '-'), a.outcome
), held as materialized (
  select s.queue, s.task, s.worker_id, s.outcome, sum(s.count)::bigint as n
  from pgflow.stats as s where s.bucket >= (select since from span) and s.task <> '-'
  group by s.queue, s.task, s.worker_id, s.outcome
), compared as materialized (
  select r.n as recounted, h.n as held, concat_ws(' ', queue, task, outcome, worker_id) as name
  from recounted as r full join held as h using (queue, task, worker_id, outcome)
), miscast as (
  select s.queue, s.task, s.outcome, s.worker_id from pgflow.stats as s
  where s.outcome in ('succeeded', 'failed', 'snoozed') and s.worker_id <> '-'
    and (s.count <> (select sum(n) from unnest(s.wait_histogram) as w (n))
      or s.count <> (select sum(n) from unnest(s.run_histogram) as r (n)))
)
select 'missing', coalesce(sum(recounted - coalesce(held, 0)), 0)::bigint, min(name)
from compared where recounted > coalesce(held, 0)
union all
select 'surplus', coalesce(sum(held - coalesce(recounted, 0)), 0)::bigint, min(name)
from compared where %(whole)s::boolean and held > coalesce(recounted, 0)
union all
select 'histogram', count(*), min(concat_ws(' ', queue, task, outcome, worker_id)) from miscast
