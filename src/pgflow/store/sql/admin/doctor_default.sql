-- How many jobs stand in the default partition, up to 100,001.
select count(*) from (select from pgflow.jobs_default limit 100001) as d
