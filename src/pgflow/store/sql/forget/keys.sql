-- Delete keys that have expired: they hold nothing any more. One that is being taken anew is passed by.
with old as materialized (
  select k.ctid as place from pgflow.unique_keys as k
  where k.expires_at < now() - %(seconds)s::double precision * interval '1 s'
  order by k.expires_at limit %(most)s::integer for update skip locked
), gone as (
  delete from pgflow.unique_keys where %(really)s::boolean and ctid = any (array(select place from old))
)
select count(*), count(*), null from old
