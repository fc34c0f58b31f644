-- Delete decisions that are old; ids rise with time, so that only the lowest are looked at.
with lowest as materialized (
  select d.id, d.created_at from pgflow.decisions as d order by d.id limit %(most)s::integer
), old as materialized (
  select l.id from lowest as l where l.created_at < now() - %(seconds)s::double precision * interval '1 s'
), gone as (
  delete from pgflow.decisions where %(really)s::boolean and id = any (array(select id from old))
)
select count(*), count(*), null from old
