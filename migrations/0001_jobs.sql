-- The first schema: a job is written once, its state is where it stands.
-- Needs no extension and no superuser; PostgreSQL 14 or later.

create type pgflow.outcome as enum
  ('failed', 'snoozed', 'released', 'lost', 'succeeded', 'dead', 'cancelled', 'expired');

-- What was asked for. Never changed; partitioned by the time its id holds.
create table pgflow.jobs (
  id uuid not null,
  created_at timestamptz not null,
  run_at timestamptz not null,
  expires_at timestamptz,
  timeout double precision,
  priority integer not null,
  max_attempts integer not null,
  keep_result boolean not null,
  queue text not null,
  task text not null,
  args json,
  kwargs json,
  headers json,
  parent_id uuid,
  root_id uuid,
  replay_of uuid,
  primary key (id),
  constraint jobs_times_are_sane check (
    run_at >= '2000-01-01 00:00+00' and run_at < '2200-01-01 00:00+00'
    and (expires_at is null or expires_at < '2200-01-01 00:00+00'))
) partition by range (id);
create index jobs_root on pgflow.jobs (root_id) where root_id is not null;
create table pgflow.jobs_default partition of pgflow.jobs default;

-- One hand-over of one job. Its primary key is the fence: who writes it first has ended that run.
create table pgflow.attempts (
  job_id uuid not null,
  started_at timestamptz,
  finished_at timestamptz not null,
  attempt integer not null,
  outcome pgflow.outcome not null,
  worker_id text,
  spent integer,
  next_run_at timestamptz,
  error_code text,
  error_message text,
  traceback text,
  result json,
  primary key (job_id, attempt)
) partition by range (job_id);
create table pgflow.attempts_default partition of pgflow.attempts default;

-- The to-do list: only what can run now. Deleted when claimed, never updated.
create table pgflow.ready (
  queue text not null,
  rank integer not null,
  run_at timestamptz not null,
  job_id uuid not null,
  attempt integer not null,
  spent integer not null,
  suspect boolean not null,
  alone boolean not null,
  primary key (queue, rank, run_at, job_id)
);

-- The same for a time to come; moved to ready when due.
create table pgflow.scheduled (
  run_at timestamptz not null,
  job_id uuid not null,
  queue text not null,
  rank integer not null,
  attempt integer not null,
  spent integer not null,
  suspect boolean not null,
  alone boolean not null,
  primary key (run_at, job_id)
);
create index scheduled_job on pgflow.scheduled (job_id);

-- One batch in one worker's hands.
create table pgflow.leases (
  id uuid primary key,
  claimed_at timestamptz not null,
  expires_at timestamptz not null,
  suspect boolean not null,
  alone boolean not null,
  worker_id text not null,
  queue text not null,
  job_ids uuid[] not null,
  attempts integer[] not null,
  spent integer[] not null
);
alter table pgflow.leases alter column job_ids set storage external;

create table pgflow.dead_letters (
  job_id uuid primary key,
  dead_at timestamptz not null,
  attempt integer not null,
  queue text not null,
  task text not null,
  reason_code text not null,
  error_code text,
  error_message text,
  replayed_as uuid,
  discarded_at timestamptz
);
create index dead_letters_newest on pgflow.dead_letters (dead_at desc, job_id desc);

create table pgflow.decisions (
  id bigint generated always as identity primary key,
  created_at timestamptz not null default clock_timestamp(),
  kind text not null check (kind in ('ingest', 'policy')),
  queue text not null,
  task text,
  job_id uuid,
  decision text not null,
  reason_code text not null,
  details json
);
create index decisions_job on pgflow.decisions (job_id) where job_id is not null;

create table pgflow.queues (
  name text primary key,
  paused boolean not null default false,
  paused_reason text,
  paused_at timestamptz
);

create table pgflow.workers (
  id text primary key,
  started_at timestamptz not null,
  beat_at timestamptz not null,
  busy_until timestamptz,
  pid integer not null,
  slots integer not null,
  running integer not null,
  stopping boolean not null,
  host text not null,
  version text not null,
  backend text not null,
  queues text[] not null,
  tasks text[] not null,
  long_running json not null
) with (fillfactor = 50);

-- Counts and histograms of one 10 s bucket; see pgflow.histogram for the classes.
create table pgflow.stats (
  bucket timestamptz not null,
  queue text not null,
  task text not null,
  worker_id text not null,
  outcome pgflow.outcome not null,
  count bigint not null,
  wait_seconds double precision not null,
  run_seconds double precision not null,
  wait_histogram integer[] not null,
  run_histogram integer[] not null,
  primary key (bucket, queue, task, worker_id, outcome)
) with (fillfactor = 50);

create table pgflow.cancellations (
  job_id uuid primary key,
  asked_at timestamptz not null default clock_timestamp(),
  asked_by text
);

-- Short-lived rows: vacuum by count, not by share of the table, and without pauses.
alter table pgflow.ready set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table pgflow.scheduled set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table pgflow.leases set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table pgflow.stats set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table pgflow.workers set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- The time a version 7 id holds (RFC 9562, section 5.7), to the millisecond.
create function pgflow.uuid_time(id uuid) returns timestamptz
  language sql immutable strict parallel safe as $$
  select to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
$$;

-- The least version 7 id of a moment: the bound of a bucket.
create function pgflow.uuid_floor(moment timestamptz) returns uuid
  language sql immutable strict parallel safe as $$
  select rpad(lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

-- An id with its time put right and its other bits kept.
create function pgflow.uuid_restamp(id uuid, moment timestamptz) returns uuid
  language sql immutable strict parallel safe as $$
  select (left(pgflow.uuid_floor(moment)::text, 13) || substr(id::text, 14))::uuid
$$;

-- Where the classes of a histogram begin: 0.1 ms, and each next one at the square root of two times that.
create function pgflow.histogram_bounds() returns double precision[]
  language sql immutable parallel safe as $$
  select array_agg(0.0001 * 2 ^ (k / 2.0) order by k)::double precision[] from generate_series(0, 46) as k
$$;

-- Seconds counted into 48 classes: the first holds what is under 0.1 ms, the last what is over 838 s.
create function pgflow.histogram(seconds double precision[]) returns integer[]
  language sql immutable strict parallel safe as $$
  select array_agg(coalesce(n, 0)::integer order by k)
  from generate_series(0, 47) as k
  left join (
    select width_bucket(s, bounds) as class, count(*) as n
    from unnest(seconds) as s, (select pgflow.histogram_bounds() as bounds) as b group by 1
  ) as counted on class = k
$$;

create function pgflow.histogram_add(a integer[], b integer[]) returns integer[]
  language sql immutable strict parallel safe as $$
  select array_agg(x + y order by k) from unnest(a, b) with ordinality as u (x, y, k)
$$;

-- Make one bucket of jobs and attempts. False where it stands already.
-- Gives up after 100 ms of waiting for a lock: creation behind a reader must not hold up an enqueue.
create function pgflow.create_bucket(name text, first uuid, beyond uuid) returns boolean
  language plpgsql as $$
declare
  parent text;
  key text;
begin
  if to_regclass(format('pgflow.%I', 'jobs_' || name)) is not null then
    return false;
  end if;
  perform set_config('lock_timeout', '100ms', true);
  foreach parent in array array['jobs', 'attempts'] loop
    key := case parent when 'jobs' then 'id' else 'job_id' end;
    execute format('lock table pgflow.%I in access exclusive mode', parent || '_default');
    execute format('create table pgflow.%I (like pgflow.%I including all)', parent || '_' || name, parent);
    execute format(
      'with moved as (delete from pgflow.%I where %I >= $1 and %I < $2 returning *) insert into pgflow.%I select * from moved',
      parent || '_default', key, key, parent || '_' || name) using first, beyond;
    execute format('alter table pgflow.%I attach partition pgflow.%I for values from (%L) to (%L)',
      parent, parent || '_' || name, first, beyond);
  end loop;
  return true;
end
$$;

-- Take one bucket out, and with `and_drop` throw it away. Returns how many jobs were put back.
-- Detach first, which takes the locks, then look: look-then-drop lost a job whose enqueue had not committed.
create function pgflow.remove_bucket(name text, and_drop boolean) returns bigint
  language plpgsql as $$
declare
  kept uuid[];
begin
  perform set_config('lock_timeout', '100ms', true);
  execute format('alter table pgflow.jobs detach partition pgflow.%I', 'jobs_' || name);
  execute format('alter table pgflow.attempts detach partition pgflow.%I', 'attempts_' || name);
  execute format(
    'select coalesce(array_agg(id), ''{}'') from pgflow.%I where id in (
       select job_id from pgflow.ready union all select job_id from pgflow.scheduled
       union all select unnest(job_ids) from pgflow.leases
       union all select job_id from pgflow.dead_letters where replayed_as is null and discarded_at is null)',
    'jobs_' || name) into kept;
  execute format(
    'with moved as (delete from pgflow.%I where id = any($1) returning *) insert into pgflow.jobs select * from moved',
    'jobs_' || name) using kept;
  execute format(
    'with moved as (delete from pgflow.%I where job_id = any($1) returning *) insert into pgflow.attempts select * from moved',
    'attempts_' || name) using kept;
  if and_drop then
    execute format('drop table pgflow.%I, pgflow.%I', 'jobs_' || name, 'attempts_' || name);
  end if;
  return cardinality(kept);
end
$$;

-- Where each job is. No row says so: an entry, a lease or the outcome of the last attempt does.
-- Leases are searched last, and only for a job that is nowhere else: 0.6 ms each with 50 leases of 512.
create view pgflow.job_state as
select
  j.id,
  case
    when last.outcome in ('succeeded', 'dead', 'cancelled', 'expired') then last.outcome::text
    when held.worker_id is not null then 'running'
    when s.job_id is not null and (s.spent > 0 or s.suspect and s.attempt > 1) then 'retrying'
    when s.job_id is not null then 'scheduled'
    when r.job_id is not null then 'queued'
  end as state,
  j.queue,
  j.task,
  coalesce(held.attempt, s.attempt, r.attempt, last.attempt, 0) as attempt,
  coalesce(held.spent, s.spent, r.spent, last.spent, 0) as spent,
  coalesce(s.run_at, r.run_at) as next_run_at,
  coalesce(held.worker_id, last.worker_id) as worker_id,
  case when last.outcome in ('succeeded', 'dead', 'cancelled', 'expired') then last.finished_at end as finished_at,
  last.error_code,
  last.error_message
from pgflow.jobs as j
left join lateral (
  select a.attempt, a.outcome, a.spent, a.next_run_at, a.worker_id, a.finished_at, a.error_code, a.error_message
  from pgflow.attempts as a where a.job_id = j.id order by a.attempt desc limit 1
) as last on true
left join pgflow.scheduled as s on s.job_id = j.id
left join pgflow.ready as r
  on r.queue = j.queue and r.rank = -j.priority
  and r.run_at = coalesce(last.next_run_at, j.run_at) and r.job_id = j.id
left join lateral (
  select l.worker_id, u.attempt, u.spent
  from pgflow.leases as l, unnest(l.job_ids, l.attempts, l.spent) as u (job_id, attempt, spent)
  where l.job_ids @> array[j.id] and u.job_id = j.id and u.attempt > coalesce(last.attempt, 0)
    and coalesce(last.outcome, 'lost') not in ('succeeded', 'dead', 'cancelled', 'expired')
    and s.job_id is null and r.job_id is null
  limit 1
) as held on true;
