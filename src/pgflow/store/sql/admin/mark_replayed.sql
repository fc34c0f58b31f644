-- Mark dead letters with the jobs that replay them; with `once`, only those nobody has replayed or discarded.
update pgflow.dead_letters as d set replayed_as = u.new_id
from unnest(%(ids)s::uuid[], %(new_ids)s::uuid[]) as u (job_id, new_id)
where d.job_id = u.job_id and (not %(once)s::boolean or d.replayed_as is null and d.discarded_at is null)
returning d.job_id::text
