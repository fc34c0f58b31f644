-- Entries and leased jobs, 100,000 of each, that have no job.
select count(*), min(e.job_id::text) from (
  (select job_id from pgflow.ready limit 100000)
  union all
  (select job_id from pgflow.scheduled limit 100000)
  union all
  (select u.job_id from pgflow.leases as l, unnest(l.job_ids) as u (job_id) limit 100000)
) as e
where not exists (select from pgflow.jobs as j where j.id = e.job_id)
