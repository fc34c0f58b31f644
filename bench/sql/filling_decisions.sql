-- What guardrails and policies decided, half and half, over the same days.
insert into pgflow.decisions (created_at, kind, queue, task, decision, reason_code, details)
select clock_timestamp() - (%(decisions)s - n) * (%(days)s * interval '1 day' / %(decisions)s),
  (array['ingest', 'policy'])[1 + n %% 2], 'queue-' || n / 2 %% 10, null,
  (array['REJECT', 'THROTTLE'])[1 + n %% 2],
  case when n %% 2 = 0 then (array['ENQUEUE_RATE_EXCEEDED', 'PAYLOAD_TOO_LARGE'])[1 + n / 20 %% 2]
    else (array['MAX_IN_FLIGHT', 'MAX_ATTEMPTS_PER_MINUTE'])[1 + n / 20 %% 2] end, json_build_object('limit', n %% 100)
from generate_series(1, %(decisions)s) as n order by n
