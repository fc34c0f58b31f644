-- Who is told of what, in a schema of the plugin's own.
create schema pgflow_webhook;

create table pgflow_webhook.subscriptions (
  name text primary key,
  url text not null,
  secrets text[] not null,
  events text[] not null,
  queue text,
  task text,
  active boolean not null default true,
  why_inactive text,
  failed_at timestamptz,
  last_error text,
  created_at timestamptz not null default clock_timestamp()
);
