-- Delete dead letters that are old and were replayed or discarded; one that is being retried is passed by.
with old as materialized (
  select d.job_id from pgflow.dead_letters as d
  where (d.replayed_as is not null or d.discarded_at is not null)
    and d.dead_at < now() - %(seconds)s::double precision * interval '1 s'
  order by d.dead_at, d.job_id limit %(most)s::integer for update skip locked
), gone as (
  delete from pgflow.dead_letters where %(really)s::boolean and job_id = any (array(select job_id from old))
)
select count(*), count(*), null from old
