-- Delete wishes to cancel jobs that have ended: they were never heard, and would kill a later run.
with old as materialized (
  select c.job_id from pgflow.cancellations as c
  where c.asked_at < now() - %(seconds)s::double precision * interval '1 s' and (
    select a.outcome in ('succeeded', 'dead', 'cancelled', 'expired')
    from pgflow.attempts as a where a.job_id = c.job_id order by a.attempt desc limit 1)
  order by c.job_id limit %(most)s::integer for update of c skip locked
), gone as (
  delete from pgflow.cancellations where %(really)s::boolean and job_id = any (array(select job_id from old))
)
select count(*), count(*), null from old
