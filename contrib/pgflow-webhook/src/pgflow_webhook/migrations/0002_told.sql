-- Which deaths subscribers were told of, and up to when dead letters were looked through for those they were not.
create table pgflow_webhook.told (
  subscription text not null,
  job_id uuid not null,
  attempt integer not null,
  told_at timestamptz not null default clock_timestamp(),
  primary key (subscription, job_id, attempt)
);
create index told_at on pgflow_webhook.told (told_at);

create table pgflow_webhook.progress (
  only_row boolean primary key default true check (only_row),
  looked_to timestamptz not null
);
