-- How many jobs of a bucket have yet to end or are open dead letters, up to a bound; nothing is locked.
select count(*) from (
  (select from pgflow.ready as r where r.job_id >= %(first)s::uuid and r.job_id < %(beyond)s::uuid)
  union all
  (select from pgflow.scheduled as s where s.job_id >= %(first)s::uuid and s.job_id < %(beyond)s::uuid)
  union all
  (select from pgflow.leases as l, unnest(l.job_ids) as u (job_id)
   where u.job_id >= %(first)s::uuid and u.job_id < %(beyond)s::uuid)
  union all
  (select from pgflow.dead_letters as d where d.job_id >= %(first)s::uuid and d.job_id < %(beyond)s::uuid
     and d.replayed_as is null and d.discarded_at is null)
  limit %(most)s::integer
) as needed
