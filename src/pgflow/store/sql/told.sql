-- Which of these runs are on record as they are told: by the same flush, sent before, whose answer was lost.
-- What the lapse of a lease wrote is another hand's.
select a.job_id::text, a.attempt
from unnest(%(job_ids)s::uuid[], %(attempts)s::integer[], %(outcomes)s::pgflow.outcome[]) as d (job_id, attempt, outcome)
join pgflow.attempts as a on a.job_id = d.job_id and a.attempt = d.attempt
where a.outcome = d.outcome and a.error_code is distinct from 'LEASE_EXPIRED'
