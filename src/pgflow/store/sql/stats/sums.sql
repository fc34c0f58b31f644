-- What the rollup holds since a time, or of the last so many steps: added up by step, by queue, by both or all in one.
-- One row without counts where it holds nothing: the clock is wanted all the same.
-- Only what ran has a run time. Classes are summed one by one, which is twice as fast as unnesting them, and
-- `offset 0` keeps the choice of histograms from being made anew for each class.
with span as materialized (
  select clock.now, coalesce(%(since)s::timestamptz,
    date_bin(%(step)s::integer * interval '1 s', clock.now, '2000-01-01 00:00+00')
    - (%(steps)s::integer - 1) * %(step)s::integer * interval '1 s') as since
  from (select clock_timestamp() as now) as clock
), held as (
  select case when %(by_queue)s::boolean then queue end as queue,
    case when %(by_step)s::boolean
      then date_bin(%(step)s::integer * interval '1 s', bucket, '2000-01-01 00:00+00') end as step,
    outcome, count, outcome in ('succeeded', 'failed', 'dead') as ran, wait_seconds, run_seconds,
    case when outcome in ('succeeded', 'failed', 'dead') then wait_histogram end as w,
    case when outcome in ('succeeded', 'failed', 'dead') then run_histogram end as r
  from pgflow.stats
  where bucket >= (select since from span) and bucket < coalesce(%(until)s::timestamptz, 'infinity')
    and (%(queue)s::text is null or queue = %(queue)s::text)
  offset 0
), summed as (
  select queue, step,
    array[sum(count) filter (where outcome = 'succeeded'), sum(count) filter (where outcome = 'failed'),
      sum(count) filter (where outcome = 'lost'), sum(count) filter (where outcome = 'dead'),
      sum(count) filter (where outcome = 'cancelled'), sum(count) filter (where outcome = 'expired'),
      sum(count) filter (where outcome = 'snoozed')]::bigint[] as counts,
    sum(wait_seconds) filter (where ran) as wait_seconds, sum(run_seconds) filter (where ran) as run_seconds,
    array[sum(w[1]), sum(w[2]), sum(w[3]), sum(w[4]), sum(w[5]), sum(w[6]), sum(w[7]), sum(w[8]), sum(w[9]), sum(w[10]),
      sum(w[11]), sum(w[12]), sum(w[13]), sum(w[14]), sum(w[15]), sum(w[16]), sum(w[17]), sum(w[18]), sum(w[19]), sum(w[20]),
      sum(w[21]), sum(w[22]), sum(w[23]), sum(w[24]), sum(w[25]), sum(w[26]), sum(w[27]), sum(w[28]), sum(w[29]), sum(w[30]),
      sum(w[31]), sum(w[32]), sum(w[33]), sum(w[34]), sum(w[35]), sum(w[36]), sum(w[37]), sum(w[38]), sum(w[39]), sum(w[40]),
      sum(w[41]), sum(w[42]), sum(w[43]), sum(w[44]), sum(w[45]), sum(w[46]), sum(w[47]), sum(w[48])] as waits,
    array[sum(r[1]), sum(r[2]), sum(r[3]), sum(r[4]), sum(r[5]), sum(r[6]), sum(r[7]), sum(r[8]), sum(r[9]), sum(r[10]),
      sum(r[11]), sum(r[12]), sum(r[13]), sum(r[14]), sum(r[15]), sum(r[16]), sum(r[17]), sum(r[18]), sum(r[19]), sum(r[20]),
      sum(r[21]), sum(r[22]), sum(r[23]), sum(r[24]), sum(r[25]), sum(r[26]), sum(r[27]), sum(r[28]), sum(r[29]), sum(r[30]),
      sum(r[31]), sum(r[32]), sum(r[33]), sum(r[34]), sum(r[35]), sum(r[36]), sum(r[37]), sum(r[38]), sum(r[39]), sum(r[40]),
      sum(r[41]), sum(r[42]), sum(r[43]), sum(r[44]), sum(r[45]), sum(r[46]), sum(r[47]), sum(r[48])] as runs
  from held group by queue, step
)
select span.now, span.since, s.queue, s.step, s.counts, s.wait_seconds, s.run_seconds, s.waits, s.runs
from span left join summed as s on true
order by s.queue, s.step
