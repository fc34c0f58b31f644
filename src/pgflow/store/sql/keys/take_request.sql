-- Take a request's key for a day, where it is free or its day is over; gives no row where another request holds it.
insert into pgflow.unique_keys as k (scope, key, job_id, request_hash, expires_at)
values ('request', %(key)s, %(job_id)s::uuid, %(request_hash)s, clock_timestamp() + interval '24 h')
on conflict (scope, key) do update set job_id = excluded.job_id, request_hash = excluded.request_hash,
  created_at = clock_timestamp(), expires_at = excluded.expires_at
where k.expires_at <= clock_timestamp()
returning job_id
