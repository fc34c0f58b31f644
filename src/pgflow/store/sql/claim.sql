-- Take the head of one queue: pick in order, delete, lease, and read the jobs, in one statement.
-- A job to be leased alone gets one of the lone leases while they last; suspects come one at a time.
-- By ctid: 2 us a job cheaper than by key, and safe, since a picked entry is locked and never updated.
-- Only the last row carries its run_at: the mark from which a sick queue's next claim resumes.
with picked as materialized (
  select r.ctid as place, r.rank, r.run_at, r.job_id, r.attempt, r.spent, r.suspect, r.alone
  from pgflow.ready as r
  where r.queue = %(queue)s
    and (r.rank, r.run_at, r.job_id) >= (%(rank)s::integer, %(run_at)s::timestamptz, %(job_id)s::uuid)
    and (not r.suspect or %(suspects)s::boolean)
    and not exists (select from pgflow.queues as q where q.name = %(queue)s and q.paused)
  order by r.rank, r.run_at, r.job_id
  limit %(most)s::integer
  for update of r skip locked
), fit as materialized (
  select p.*, row_number() over (order by p.rank, p.run_at, p.job_id) as nth, count(*) over () as total
  from (
    select p.*,
      case
        when p.suspect then case when row_number() over w = 1 then (%(lone)s::uuid[])[1] end
        when p.alone then (%(lone)s::uuid[])[row_number() over w + 1]
        else %(lease)s::uuid
      end as lease_id
    from picked as p
    window w as (partition by p.suspect, p.alone order by p.rank, p.run_at, p.job_id)
  ) as p
  where p.lease_id is not null
), taken as (
  delete from pgflow.ready where ctid = any (array(select place from fit))
), leased as (
  insert into pgflow.leases (id, claimed_at, expires_at, suspect, alone, worker_id, queue, job_ids, attempts, spent)
  select f.lease_id, now(), now() + %(seconds)s::double precision * interval '1 s', bool_or(f.suspect),
    bool_or(f.alone), %(worker)s, %(queue)s, array_agg(f.job_id order by f.nth),
    array_agg(f.attempt order by f.nth), array_agg(f.spent order by f.nth)
  from fit as f group by f.lease_id
)
select f.lease_id::text, f.job_id::text, f.attempt, f.spent, f.suspect, f.rank, %(queue)s::text, j.task, j.args::text,
  j.kwargs::text, j.max_attempts, j.timeout, j.keep_result, coalesce(j.expires_at <= now(), false),
  c.job_id is not null, j.headers, extract(epoch from now() - f.run_at)::double precision,
  extract(epoch from now() - j.run_at)::double precision,
  case when f.nth = f.total then f.run_at end
from fit as f
left join pgflow.jobs as j on j.id = f.job_id
left join pgflow.cancellations as c on c.job_id = f.job_id
order by f.nth
