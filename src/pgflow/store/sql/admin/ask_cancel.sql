-- Wish jobs cancelled; who wished first stays on record.
with asked as (
  insert into pgflow.cancellations (job_id, asked_by)
  select u.job_id, %(by)s::text from unnest(%(ids)s::uuid[]) as u (job_id) order by u.job_id
  on conflict do nothing
  returning job_id
)
select job_id::text from asked
