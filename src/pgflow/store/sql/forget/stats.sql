-- Delete counts that are old, the oldest first; nobody adds to them any more.
with old as materialized (
  select s.ctid as place from pgflow.stats as s
  where s.bucket < now() - %(seconds)s::double precision * interval '1 s'
  order by s.bucket, s.queue, s.task, s.worker_id, s.outcome limit %(most)s::integer
), gone as (
  delete from pgflow.stats where %(really)s::boolean and ctid = any (array(select place from old))
)
select count(*), count(*), null from old
