-- The dead letters, one in ten of them discarded.
insert into pgflow.dead_letters (job_id, dead_at, attempt, queue, task, reason_code, error_code, error_message, discarded_at)
select f.id, a.finished_at, 2, f.queue, f.task, 'MAX_ATTEMPTS_EXCEEDED', a.error_code, a.error_message,
  case when f.n % 10 = 0 then a.finished_at + interval '1 hour' end
from filling as f join pgflow.attempts as a on a.job_id = f.id and a.attempt = 2
where f.state = 'dead' order by f.n
