-- Take the heads of queues in turn until there are enough: pick in order, delete, lease, and read the jobs, in one
-- statement. A queue is read as far as its own `most`, and the next one only where that was not enough; each has a
-- lease of its own. Where there is but one it may be read from a mark.
-- A job to be leased alone gets one of the lone leases while they last; the first is for a suspect, one at a time.
-- By ctid: 2 us a job cheaper than by key, and safe, since a picked entry is locked and never updated.
-- A lease begins by the clock, not by now(): the transaction may have waited for a lock while its jobs still ran.
-- The rows of each lease come in the order in which they were picked, which the pinned plan keeps: to sort them once
-- more, as wide as they are now, took 0.5 us a job, and `extract`, which is numeric, 0.2 us more than `date_part`.
-- What most jobs have in common is left out: a column costs 0.1 us on each side, and null a third of that. The place of
-- a job's queue is null in the first, and what few jobs have comes in one column. In the last entry that has its
-- run_at: the mark from which a sick queue's next claim resumes.
with picked as materialized (
  select q.nth, q.name as queue, q.lease, e.*
  from unnest(%(queues)s::text[], %(leases)s::uuid[], %(mosts)s::integer[]) with ordinality as q (name, lease, most, nth)
  cross join lateral (
    select r.ctid as place, r.rank, r.run_at, r.job_id, r.attempt, r.spent, r.suspect, r.alone
    from pgflow.ready as r
    where r.queue = q.name
      and (r.rank, r.run_at, r.job_id) >= (%(rank)s::integer, %(run_at)s::timestamptz, %(job_id)s::uuid)
      and (not r.suspect or %(suspects)s::boolean)
      and not exists (select from pgflow.queues as p where p.name = q.name and p.paused)
    order by r.rank, r.run_at, r.job_id
    limit q.most
    for update of r skip locked
  ) as e
  limit %(most)s::integer
), fit as materialized (
  select p.*, p.lease as lease_id from picked as p where not p.alone
  union all
  select * from (
    select p.*, case when p.suspect and row_number() over w = 1 then (%(lone)s::uuid[])[1]
      when not p.suspect then (%(lone)s::uuid[])[row_number() over w + 1] end as lease_id
    from picked as p where p.alone
    window w as (partition by p.suspect order by p.nth, p.rank, p.run_at, p.job_id)
  ) as p where p.lease_id is not null
), taken as (
  delete from pgflow.ready where ctid = any (array(select place from fit))
), leased as (
  insert into pgflow.leases (id, claimed_at, expires_at, suspect, alone, worker_id, queue, job_ids, attempts, spent)
  select f.lease_id, clock_timestamp(), clock_timestamp() + %(seconds)s::double precision * interval '1 s',
    bool_or(f.suspect), bool_or(f.alone), %(worker)s, f.queue, array_agg(f.job_id), array_agg(f.attempt), array_agg(f.spent)
  from fit as f group by f.lease_id, f.queue
), last as materialized (
  select f.job_id from fit as f order by f.nth desc, f.rank desc, f.run_at desc, f.job_id desc limit 1
)
select f.job_id::text, f.attempt, j.task, j.args::text, j.kwargs::text, j.max_attempts, j.timeout,
  date_part('epoch', now() - f.run_at), nullif(f.rank, 0), nullif(f.nth, 1),
  case when f.alone or f.attempt > 1 or j.keep_result or j.expires_at <= now() or j.headers is not null
      or f.job_id = (select job_id from last)
      or exists (select from pgflow.cancellations) and exists (select from pgflow.cancellations as c where c.job_id = f.job_id)
    then json_build_array(
      case when f.alone then f.lease_id end, f.spent, f.suspect, coalesce(j.keep_result, false),
      coalesce(j.expires_at <= now(), false), exists (select from pgflow.cancellations as c where c.job_id = f.job_id),
      j.headers, date_part('epoch', now() - case when f.attempt > 1 then j.run_at else now() end),
      case when f.job_id = (select job_id from last) then f.run_at end)::text end
from fit as f
left join pgflow.jobs as j on j.id = f.job_id
