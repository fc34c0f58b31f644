-- Take back the wishes to cancel jobs that had ended before they were heard: they would kill a later run.
with forgotten as (
  delete from pgflow.cancellations as c
  where c.job_id = any (%(ids)s::uuid[]) and (
    select a.outcome in ('succeeded', 'dead', 'cancelled', 'expired')
    from pgflow.attempts as a where a.job_id = c.job_id order by a.attempt desc limit 1)
  returning job_id
)
select job_id::text from forgotten
