-- Every hand-over of one job on record, in order.
select attempt, outcome::text, worker_id, started_at, finished_at, error_code, error_message, traceback, next_run_at,
  coalesce(spent, 0), result
from pgflow.attempts where job_id = %(job_id)s::uuid order by attempt
