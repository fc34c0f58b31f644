-- The states of these jobs.
select s.id::text, s.state from unnest(%(ids)s::uuid[]) as u (id) join pgflow.job_state as s on s.id = u.id
