-- What operators have set, of every queue for which they have set something.
select name, paused, paused_reason, max_in_flight, max_attempts_per_minute, throttle_delay_ms
from pgflow.queues
where paused or max_in_flight is not null or max_attempts_per_minute is not null or throttle_delay_ms is not null
