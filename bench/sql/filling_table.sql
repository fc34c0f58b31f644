-- What the filling is made of: a row a job, in the order in which they came.
create temporary table filling (
  n integer primary key, id uuid not null, created_at timestamptz not null, queue text not null, task text not null,
  worker_id text not null, state text not null, next_at timestamptz not null, ended_at timestamptz not null,
  run double precision not null, failed_once boolean not null, root integer)
