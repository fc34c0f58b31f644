-- Whether one job has ended, and with what; asked often by those who wait, so it opens no lease and no entry.
select a.outcome::text, a.result, a.error_code, a.error_message
from pgflow.jobs as j
left join lateral (
  select a.outcome, a.result, a.error_code, a.error_message
  from pgflow.attempts as a where a.job_id = j.id order by a.attempt desc limit 1
) as a on a.outcome in ('succeeded', 'dead', 'cancelled', 'expired')
where j.id = %(job_id)s::uuid
