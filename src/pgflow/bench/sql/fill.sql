-- Puts jobs where a worker finds them, as an enqueue would have stored them: in ready, or in scheduled for a time to come.
-- Queues are bench where there is one, else bench-0, bench-1 and so on, in turn; ids are in order, a microsecond each.
with numbered as (
  select n, clock_timestamp() as now,
    (lpad(to_hex((extract(epoch from now()) * 1000 + n / 1000)::bigint), 12, '0') || '7'
      || lpad(to_hex(n %% 1000 * 4), 3, '0') || 'b' || substr(md5(n::text || now()::text), 1, 15))::uuid as id,
    case when %(queues)s::integer = 1 then 'bench' else 'bench-' || n %% %(queues)s::integer end as queue
  from generate_series(1, %(jobs)s::bigint) as n
), stored as (
  insert into pgflow.jobs (id, created_at, run_at, priority, max_attempts, keep_result, queue, task, args)
  select id, now, coalesce(now() + %(delay)s::double precision * interval '1 s', now), 0, 25, false, queue, %(task)s,
    coalesce(%(args)s::text, '[' || n || ']')::json
  from numbered
  returning id, queue, run_at, created_at
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, 0, run_at, id, 1, 0, false, false from stored where run_at <= created_at
), put_off as (
  insert into pgflow.scheduled (run_at, job_id, queue, rank, attempt, spent, suspect, alone)
  select run_at, id, queue, 0, 1, 0, false, false from stored where run_at > created_at
)
select count(pg_notify('pgflow', 'bench' || case when %(queues)s::integer = 1 then '' else '-' || q end))
from generate_series(0, %(queues)s::integer - 1) as q
