-- The least id of the newest so many jobs; null where there are no more than that, and all are looked at.
select (select id from pgflow.jobs order by id desc offset %(newest)s::bigint limit 1)::text
