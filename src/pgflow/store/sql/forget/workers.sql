-- Delete workers that have long given no sign of life.
with old as materialized (
  select w.id from pgflow.workers as w
  where w.beat_at < now() - %(seconds)s::double precision * interval '1 s'
  order by w.id limit %(most)s::integer for update skip locked
), gone as (
  delete from pgflow.workers where %(really)s::boolean and id = any (array(select id from old))
)
select count(*), count(*), null from old
