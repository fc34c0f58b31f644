-- The counts of every run, as the workers would have kept them.
insert into pgflow.stats (bucket, queue, task, worker_id, outcome, count, wait_seconds, run_seconds, wait_histogram,
  run_histogram)
select date_bin('10 s', a.finished_at, '2000-01-01'), j.queue, j.task, coalesce(a.worker_id, '-'), a.outcome, count(*),
  0.05 * count(*), coalesce(sum(extract(epoch from a.finished_at - a.started_at)), 0),
  pgflow.histogram(array_agg(0.05::double precision)),
  pgflow.histogram(array_agg(coalesce(extract(epoch from a.finished_at - a.started_at), 0)::double precision))
from pgflow.attempts as a join pgflow.jobs as j on j.id = a.job_id
group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
