-- Store jobs and their entries: one statement, one JSON parameter, so that any driver can run it in any transaction.
-- An id more than 60 s off the database's clock is stamped anew, unless its job is here; a repeated id is stored once.
-- The bounds are uuid_floor written out: called, it is parsed and planned anew by each statement, a fifth of its cost.
-- NOTIFY is left out only where every live worker of the queue has promised to keep polling for over a second.
with clock as materialized (
  select clock_timestamp() as now,
    cast(rpad(lpad(to_hex(cast(extract(epoch from clock_timestamp() - interval '60 s') * 1000 as bigint)),
      12, '0'), 32, '0') as uuid) as least_id,
    cast(rpad(lpad(to_hex(cast(extract(epoch from clock_timestamp() + interval '60 s') * 1000 as bigint)),
      12, '0'), 32, '0') as uuid) as most_id,
    cast(cast(%(jobs)s as text) as json) as asked
), stamped as materialized (
  select a.nth, c.now, a.queue, a.task, a.args, a.kwargs, a.headers, a.timeout, a.parent_id, a.replay_of,
    coalesce(a.priority, 0) as priority, coalesce(a.max_attempts, 25) as max_attempts,
    coalesce(a.keep_result, false) as keep_result,
    case when a.id between c.least_id and c.most_id then a.id else pgflow.id_in_time(a.id, c.now) end as id,
    a.root_id,
    greatest(c.now, coalesce(a.run_at, c.now + a.delay * interval '1 s')) as run_at,
    coalesce(a.expires_at, c.now + a.expires_in * interval '1 s') as expires_at
  from clock as c, rows from (json_to_recordset(json_extract_path(c.asked, 'jobs')) as (
    id uuid, queue text, task text, args json, kwargs json, headers json, timeout double precision,
    priority integer, max_attempts integer, keep_result boolean, delay double precision, run_at timestamptz,
    expires_in double precision, expires_at timestamptz, parent_id uuid, root_id uuid, replay_of uuid
  )) with ordinality as a (id, queue, task, args, kwargs, headers, timeout, priority, max_attempts, keep_result,
    delay, run_at, expires_in, expires_at, parent_id, root_id, replay_of, nth)
), stored as (
  insert into pgflow.jobs (id, created_at, run_at, expires_at, timeout, priority, max_attempts, keep_result,
    queue, task, args, kwargs, headers, parent_id, root_id, replay_of)
  select id, now, run_at, expires_at, timeout, priority, max_attempts, keep_result,
    queue, task, args, kwargs, headers, parent_id, root_id, replay_of
  from stamped order by nth
  on conflict (id) do nothing
  returning id, queue, priority, run_at, created_at, max_attempts
), readied as (
  insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
  select queue, -priority, run_at, id, 1, 0, false, max_attempts = 1 from stored where run_at <= created_at
), put_off as (
  insert into pgflow.scheduled (run_at, job_id, queue, rank, attempt, spent, suspect, alone)
  select run_at, id, queue, -priority, 1, 0, false, max_attempts = 1 from stored where run_at > created_at
), rung as (
  select count(pg_notify('pgflow', q.queue)) as bells
  from (select distinct queue from stored where run_at <= created_at) as q, clock as c
  where json_extract_path_text(c.asked, 'ring') = 'true'
    or exists (
      select from pgflow.workers as w
      where q.queue = any (w.queues) and w.beat_at > c.now - interval '2 min'
        and (w.busy_until is null or w.busy_until < c.now + interval '1 s'))
)
select cast(s.id as text) from stamped as s, rung order by s.nth
