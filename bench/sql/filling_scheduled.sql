-- The entries of what waits for a time.
insert into pgflow.scheduled (run_at, job_id, queue, rank, attempt, spent, suspect, alone)
select next_at, id, queue, -(n % 3), case state when 'retrying' then 2 else 1 end,
  case state when 'retrying' then 1 else 0 end, false, false
from filling where state in ('scheduled', 'retrying') order by 1
