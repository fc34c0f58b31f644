-- What runs, in leases of 512 that stand for a day: there is nobody to extend them.
insert into pgflow.leases (id, claimed_at, expires_at, suspect, alone, worker_id, queue, job_ids, attempts, spent)
select gen_random_uuid(), clock_timestamp(), clock_timestamp() + interval '1 day', false, false,
  'worker-' || right(queue, 1) || '-' || least(batch, 3), queue, array_agg(id), array_agg(1), array_agg(0)
from (
  select id, queue, (row_number() over (partition by queue order by n) - 1) / 512 as batch
  from filling where state = 'running'
) as f group by queue, batch
