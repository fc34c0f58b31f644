-- Every run that has ended: the first failures, and the last runs of those that are over.
insert into pgflow.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at, spent, next_run_at, error_code,
  error_message)
select id, 1, 'failed'::pgflow.outcome, worker_id, created_at, created_at + interval '0.5 s', 1,
  case when state = 'retrying' then next_at else ended_at - run * interval '1 s' end, 'TIMEOUT',
  'no answer from 10.0.0.' || n % 250 || ' within ' || n % 30 || ' s'
from filling where failed_once
union all
select id, case when failed_once then 2 else 1 end, state::pgflow.outcome,
  case when state <> 'cancelled' then worker_id end,
  case when state <> 'cancelled' then ended_at - run * interval '1 s' end, ended_at,
  case when state = 'dead' then 2 end, null,
  case state when 'dead' then (array['TIMEOUT', 'UNKNOWN', 'NETWORK'])[1 + n % 3] when 'cancelled' then 'CANCELLED' end,
  case when state = 'dead' then (array['order ' || n || ' was refused', 'no answer from 10.0.0.' || n % 250,
    'customer ' || md5(n::text) || ' is unknown', 'ValueError: ' || n % 5])[1 + n / 3 % 4] end
from filling where state in ('succeeded', 'dead', 'cancelled')
order by 1, 2
