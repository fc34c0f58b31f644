-- Store one job that can run now, for which the store's own connection is free: half the cost of enqueue.sql.
-- No conflict is looked for, which alone would cost a fifth more: an id that is there is a violation.
-- A statement of its own begins when it is sent, so its timestamp is the clock's, save for the bell: it may wait.
with stored as (
  insert into pgflow.jobs (id, created_at, run_at, expires_at, timeout, priority, max_attempts, keep_result,
    queue, task, args, kwargs, headers, parent_id, root_id, replay_of)
  values (
    case
      when cast(%(id)s as uuid) between
        cast(rpad(lpad(to_hex(cast(extract(epoch from statement_timestamp() - interval '60 s') * 1000 as bigint)),
          12, '0'), 32, '0') as uuid)
        and cast(rpad(lpad(to_hex(cast(extract(epoch from statement_timestamp() + interval '60 s') * 1000 as bigint)),
          12, '0'), 32, '0') as uuid)
      then cast(%(id)s as uuid) else pgflow.id_in_time(cast(%(id)s as uuid), statement_timestamp())
    end,
    statement_timestamp(), statement_timestamp(),
    coalesce(cast(%(expires_at)s as timestamptz),
      statement_timestamp() + cast(%(expires_in)s as double precision) * interval '1 s'),
    cast(%(timeout)s as double precision), cast(%(priority)s as integer), cast(%(max_attempts)s as integer),
    cast(%(keep_result)s as boolean), %(queue)s, %(task)s, cast(%(args)s as json), cast(%(kwargs)s as json),
    cast(%(headers)s as json), cast(%(parent_id)s as uuid), cast(%(root_id)s as uuid), cast(%(replay_of)s as uuid))
  returning id, queue, priority, run_at, max_attempts
)
insert into pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone)
select queue, -priority, run_at, id, 1, 0, false, max_attempts = 1 from stored
returning cast(job_id as text), case when exists (
  select from pgflow.workers as w
  where ready.queue = any (w.queues) and w.beat_at > clock_timestamp() - interval '2 min'
    and (w.busy_until is null or w.busy_until < clock_timestamp() + interval '1 s')) then pg_notify('pgflow', queue) end
