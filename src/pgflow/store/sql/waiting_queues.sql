-- Which of these queues have something to claim past each one's mark; paused ones have nothing.
select q.name
from unnest(%(queues)s::text[], %(ranks)s::integer[], %(run_ats)s::timestamptz[], %(job_ids)s::uuid[])
  as q (name, rank, run_at, job_id)
where exists (
    select from pgflow.ready as r
    where r.queue = q.name and (r.rank, r.run_at, r.job_id) >= (q.rank, q.run_at, q.job_id))
  and not exists (select from pgflow.queues as p where p.name = q.name and p.paused)
