-- Keep what is older than an hour by the minute and over all workers: ten minutes of it at a time, oldest first.
-- Begins at the newest minute already kept so, found from the near end: the far end may be a month away.
-- Nobody adds to rows of that age, so nobody is waited for; two that do this at once take turns at the rows.
with mark as materialized (
  select coalesce((select bucket from pgflow.stats where worker_id = '*' order by bucket desc limit 1),
    '-infinity') as newest
), span as materialized (
  select first.bucket as since, least(date_bin('1 min', clock_timestamp(), '2000-01-01') - interval '1 h',
    date_bin('1 min', first.bucket, '2000-01-01') + interval '10 min') as until
  from (
    select s.bucket from pgflow.stats as s
    where s.bucket >= (select newest from mark) and s.worker_id <> '*' order by s.bucket limit 1
  ) as first
), taken as (
  delete from pgflow.stats
  where bucket >= (select since from span) and bucket < (select until from span) and worker_id <> '*'
  returning date_bin('1 min', bucket, '2000-01-01') as minute, queue, task, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram
), classes as (
  select minute, queue, task, outcome, nth, sum(w) as w, sum(r) as r
  from taken cross join unnest(wait_histogram, run_histogram) with ordinality as u (w, r, nth)
  group by minute, queue, task, outcome, nth
), histograms as (
  select minute, queue, task, outcome, array_agg(w::integer order by nth) as waits,
    array_agg(r::integer order by nth) as runs
  from classes group by minute, queue, task, outcome
), summed as (
  select minute, queue, task, outcome, sum(count) as count, sum(wait_seconds) as wait_seconds,
    sum(run_seconds) as run_seconds
  from taken group by minute, queue, task, outcome
), kept as (
  insert into pgflow.stats as s (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds,
    wait_histogram, run_histogram)
  select minute, queue, task, '*', outcome, t.count, t.wait_seconds, t.run_seconds, h.waits, h.runs
  from summed as t join histograms as h using (minute, queue, task, outcome) order by minute, queue, task, outcome
  on conflict (bucket, queue, task, worker_id, outcome) do update set
    count = s.count + excluded.count, wait_seconds = s.wait_seconds + excluded.wait_seconds,
    run_seconds = s.run_seconds + excluded.run_seconds,
    wait_histogram = pgflow.histogram_add(s.wait_histogram, excluded.wait_histogram),
    run_histogram = pgflow.histogram_add(s.run_histogram, excluded.run_histogram)
  returning 1
)
select (select count(*) from taken), (select count(*) from kept)
