-- The dead letter of one job.
select job_id::text, dead_at, attempt, queue, task, reason_code, error_code, error_message, replayed_as::text,
  discarded_at
from pgflow.dead_letters where job_id = %(job_id)s::uuid
