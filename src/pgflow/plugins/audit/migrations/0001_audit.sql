-- Every change made through the admin: who, what, when, result. Ids rise with time.
create table pgflow.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  status integer not null,
  actor text not null,
  action text not null,
  resource text not null,
  result json not null
);
create index audit_actor on pgflow.audit (actor, id);
create index audit_action on pgflow.audit (action, id);
