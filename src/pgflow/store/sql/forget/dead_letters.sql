-- Delete dead letters that are old, the open ones too; one that is being replayed or retried is passed by.
with old as materialized (
  select d.job_id from pgflow.dead_letters as d
  where d.dead_at < now() - %(seconds)s::double precision * interval '1 s'
  order by d.dead_at, d.job_id limit %(most)s::integer for update skip locked
), gone as (
  delete from pgflow.dead_letters where %(really)s::boolean and job_id = any (array(select job_id from old))
)
select count(*), count(*), null from old
