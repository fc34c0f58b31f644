-- The stats of one minute: of a queue, or of all of them under the name *, which no queue can have.
-- `ends` counts attempts that succeeded, failed, were lost, died, were cancelled, expired and were snoozed.
create table pgflow.stats_minutes (
  queue text not null,
  minute timestamptz not null,
  ends bigint[] not null,
  wait_seconds double precision not null,
  run_seconds double precision not null,
  waits bigint[] not null,
  runs bigint[] not null,
  primary key (queue, minute)
);
