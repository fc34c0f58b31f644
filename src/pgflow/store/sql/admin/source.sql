-- What a replay takes over from each of these jobs.
select j.id::text, s.state, j.queue, j.task, j.args::text, j.kwargs::text, j.priority, j.max_attempts, j.timeout,
  j.keep_result, j.headers, coalesce(j.root_id, j.id)::text
from unnest(%(ids)s::uuid[]) as u (id)
join pgflow.jobs as j on j.id = u.id
join pgflow.job_state as s on s.id = u.id
order by j.id
