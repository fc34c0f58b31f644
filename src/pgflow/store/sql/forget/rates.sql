-- Delete the counts of seconds gone by; no limit looks at them any more, so nobody waits for one.
with old as materialized (
  select r.ctid as place from pgflow.rates as r
  where r.second < now() - %(seconds)s::double precision * interval '1 s' limit %(most)s::integer
), gone as (
  delete from pgflow.rates where %(really)s::boolean and ctid = any (array(select place from old))
)
select count(*), count(*), null from old
