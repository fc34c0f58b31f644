-- Take slots for good; gives those that nobody had taken. The job's id is noted when it is known.
insert into pgflow.unique_keys (scope, key, job_id, expires_at)
select 'cron', k.key, '00000000-0000-0000-0000-000000000000', clock_timestamp() + %(days)s * interval '1 day'
from unnest(%(keys)s::text[]) as k (key)
on conflict (scope, key) do nothing
returning key
