-- what is the same for every admin of one database, and of no other
select extract(epoch from applied_at)::text from pgflow.migrations order by applied_at limit 1
