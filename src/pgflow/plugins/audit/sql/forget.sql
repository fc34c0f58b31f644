-- Delete a thousand entries that are old; ids rise with time, so that only the lowest are looked at.
with lowest as materialized (
  select a.id, a.at from pgflow.audit as a order by a.id limit 1000
), gone as (
  delete from pgflow.audit where id = any (array(
    select l.id from lowest as l where l.at < now() - %(seconds)s::double precision * interval '1 s'))
  returning id
)
select count(*) from gone
