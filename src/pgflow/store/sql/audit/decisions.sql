-- I8: what was refused was not stored, and the counts of refusals can be what they say.
with refused as (
  select d.id, d.job_id, d.count, d.created_at, d.last_at from pgflow.decisions as d
  where d.kind = 'ingest' and d.decision = 'rejected'
)
select 'stored', count(*), min(r.job_id::text) from refused as r join pgflow.jobs as j on j.id = r.job_id
union all
select 'count', count(*), 'decision ' || min(r.id) from refused as r
where r.count < 1 or r.last_at < r.created_at or r.count > 1 and r.last_at is null
