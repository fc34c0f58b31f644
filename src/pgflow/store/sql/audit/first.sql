-- The least id of the newest so many jobs; null where there are no more than that, and all are looked at.
select (select n.id from pgflow.jobs as n order by n.id desc offset %(newest)s::bigint - 1 limit 1)::text
where exists (select from pgflow.jobs as m order by m.id desc offset %(newest)s::bigint limit 1)
