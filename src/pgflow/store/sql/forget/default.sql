-- Delete jobs of the default partition that ended long ago, with their attempts: look at the next thousand by id.
-- One with a dead letter stays: its letter goes first, for with it the job could be retried meanwhile. So does one of a
-- lease that stands for another's sake: without its attempt the fence would be open, and the job be run again.
with clock as materialized (
  select now() - %(seconds)s::double precision * interval '1 s' as until
), looked_at as materialized (
  select j.id from pgflow.jobs_default as j
  where j.id > %(mark)s::uuid and j.id < (select pgflow.uuid_floor(until) from clock)
  order by j.id limit %(most)s::integer
), old as materialized (
  select l.id from looked_at as l
  cross join lateral (
    select a.outcome, a.finished_at from pgflow.attempts_default as a where a.job_id = l.id order by a.attempt desc limit 1
  ) as last
  where last.outcome in ('succeeded', 'dead', 'cancelled', 'expired') and last.finished_at < (select until from clock)
    and not exists (select from pgflow.dead_letters as d where d.job_id = l.id)
    and l.id not in (select u.job_id from pgflow.leases, unnest(job_ids) as u (job_id))
), gone as (
  delete from pgflow.jobs_default where %(really)s::boolean and id = any (array(select id from old))
), tried as (
  delete from pgflow.attempts_default where %(really)s::boolean and job_id = any (array(select id from old))
)
select (select count(*) from looked_at), (select count(*) from old),
  (select l.id::text from looked_at as l order by l.id desc limit 1)
