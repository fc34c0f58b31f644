-- Ids of the jobs that share a job's root, itself first where there are more than are wanted.
with asked as materialized (
  select id, coalesce(root_id, id) as root from pgflow.jobs where id = %(job_id)s::uuid
)
select f.id::text from (
  select id from asked
  union
  select j.id from asked as a join pgflow.jobs as j on j.id = a.root
  union
  select k.id from asked as a cross join lateral (
    select j.id from pgflow.jobs as j where j.root_id = a.root limit %(most)s) as k
) as f
