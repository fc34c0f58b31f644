-- As enqueue.sql, for jobs some of which have unique keys: a job is stored where it takes its key, and the id given
-- is the holder's; none where another took the key while this looked, and who asks again sees whose it is.
-- A holder is looked at and never locked: a caller's transaction must not keep another's job from ending.
-- A job that is here already, asked for again after a lost answer, takes no key: it may have ended and freed it.
with clock as materialized (
  select clock_timestamp() as now,
    cast(rpad(lpad(to_hex(cast(extract(epoch from clock_timestamp() - interval '60 s') * 1000 as bigint)),
      12, '0'), 32, '0') as uuid) as least_id,
    cast(rpad(lpad(to_hex(cast(extract(epoch from clock_timestamp() + interval '60 s') * 1000 as bigint)),
      12, '0'), 32, '0') as uuid) as most_id,
    cast(cast(%(jobs)s as text) as json) as asked
), stamped as materialized (
  select a.nth, c.now, a.queue, a.task, a.args, a.kwargs, a.headers, a.timeout, a.parent_id, a.replay_of, a.unique_key,
    coalesce(a.priority, 0) as priority, coalesce(a.max_attempts, 25) as max_attempts,
    coalesce(a.keep_result, false) as keep_result,
    case when a.id between c.least_id and c.most_id then a.id else pgflow.id_in_time(a.id, c.now) end as id,
    a.root_id,
    greatest(c.now, coalesce(a.run_at, c.now + a.delay * interval '1 s')) as run_at,
    coalesce(a.expires_at, c.now + a.expires_in * interval '1 s') as expires_at
  from clock as c, rows from (json_to_recordset(json_extract_path(c.asked, 'jobs')) as (
    id uuid, queue text, task text, args json, kwargs json, headers json, timeout double precision,
    priority integer, max_attempts integer, keep_result boolean, delay double precision, run_at timestamptz,
    expires_in double precision, expires_at timestamptz, parent_id uuid, root_id uuid, replay_of uuid, unique_key text
  )) with ordinality as a (id, queue, task, args, kwargs, headers, timeout, priority, max_attempts, keep_result,
    delay, run_at, expires_in, expires_at, parent_id, root_id, replay_of, unique_key, nth)
), keyed as materialized (
  select k.key, k.id, u.job_id as holder, j.id is not null as known
  from (
    select distinct on (unique_key) unique_key as key, id
    from stamped where unique_key is not null order by unique_key, nth
  ) as k
  left join lateral (
    select u.job_id from pgflow.unique_keys as u where u.scope = 'job' and u.key = k.key limit 1
  ) as u on true
  left join lateral (select j.id from pgflow.jobs as j where j.id = k.id limit 1) as j on true
), taken as (
  insert into pgflow.unique_keys (scope, key, job_id)
  select 'job', key, id from keyed where holder is null and not known order by key
  on conflict (scope, key) do nothing
  returning key, job_id
), holders as materialized (
  select k.key, case when k.known then k.id else coalesce(k.holder, t.job_id) end as job_id
  from keyed as k left join taken as t on t.key = k.key
), settled as materialized (
  select s.*, case when s.unique_key is null then s.id else h.job_id end as given
  from stamped as s left join holders as h on h.key = s.unique_key
), stored as (
  insert into pgflow.jobs (id, created_at, run_at, expires_at, timeout, priority, max_attempts, keep_result,
    queue, task, args, kwargs, headers, parent_id, root_id, replay_of, unique_key)
  select id, now, run_at, expires_at, timeout, priority, max_attempts, keep_result,
    queue, task, args, kwargs, headers, parent_id, root_id, replay_of, unique_key
  from settled where given = id order by nth
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
select cast(s.given as text) from settled as s, rung order by s.nth
