-- Set a queue's limits; those that are to be kept stay as they are.
insert into pgflow.queues as q (name, max_in_flight, max_attempts_per_minute, throttle_delay_ms)
values (%(queue)s, %(max_in_flight)s::integer, %(max_attempts_per_minute)s::integer, %(throttle_delay_ms)s::integer)
on conflict (name) do update set
  max_in_flight = case when 'max_in_flight' = any (%(kept)s::text[])
    then q.max_in_flight else excluded.max_in_flight end,
  max_attempts_per_minute = case when 'max_attempts_per_minute' = any (%(kept)s::text[])
    then q.max_attempts_per_minute else excluded.max_attempts_per_minute end,
  throttle_delay_ms = case when 'throttle_delay_ms' = any (%(kept)s::text[])
    then q.throttle_delay_ms else excluded.throttle_delay_ms end
returning name, paused, paused_reason, max_in_flight, max_attempts_per_minute, throttle_delay_ms
