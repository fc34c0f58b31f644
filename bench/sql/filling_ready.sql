-- The entries of what can run now.
insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
select queue, -(n % 3), created_at, id, 1, 0, false, false from filling where state = 'queued' order by 1, 2, 3
