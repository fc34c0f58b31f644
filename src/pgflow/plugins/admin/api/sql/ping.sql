-- answers where the database does, and has the tables of pgflow
select exists (select from pgflow.queues)
