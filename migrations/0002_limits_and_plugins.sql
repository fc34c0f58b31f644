-- What limits, keys, plugins and the HTTP API stand on.

-- A queue's limits, set by operators; null is no limit. `throttle_delay_ms`: how long a held-back queue rests.
alter table pgflow.queues
  add column max_in_flight integer check (max_in_flight >= 1),
  add column max_attempts_per_minute integer check (max_attempts_per_minute >= 1),
  add column throttle_delay_ms integer check (throttle_delay_ms >= 0);

-- A second's count of claims or enqueues for one limited queue. Never one hot row: 20,000 updates of one under a
-- held snapshot doubled its cost.
create table pgflow.rates (
  kind text not null check (kind in ('claim', 'enqueue')),
  queue text not null,
  second timestamptz not null,
  count bigint not null,
  primary key (kind, queue, second)
) with (fillfactor = 50);
alter table pgflow.rates set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- A key taken: a job's unique key while it has not ended (scope `job`), a request's Idempotency-Key for a day
-- (scope `request`), a schedule's slot (scope `cron`).
create table pgflow.unique_keys (
  scope text not null,
  key text not null,
  job_id uuid not null,
  request_hash text,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  primary key (scope, key)
) with (fillfactor = 70);
create index unique_keys_job on pgflow.unique_keys (job_id) where scope = 'job';
create index unique_keys_expiry on pgflow.unique_keys (expires_at) where expires_at is not null;
alter table pgflow.jobs add column unique_key text;

-- Whose turn it is at what one worker at a time does.
create table pgflow.turns (
  name text primary key,
  taken_by text not null,
  taken_until timestamptz not null
);

-- What a plugin has applied of its own migrations.
create table pgflow.plugin_migrations (
  plugin text not null,
  version integer not null,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp(),
  primary key (plugin, version)
);

-- A flood of one refusal is counted on few rows.
alter table pgflow.decisions add column count bigint not null default 1;
alter table pgflow.decisions add column last_at timestamptz;
create index decisions_queue on pgflow.decisions (queue, id);
create index decisions_policy on pgflow.decisions (queue, created_at) where kind = 'policy';
