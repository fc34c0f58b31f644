-- Take the ids of leases whose claim's answer was lost: where that claim has yet to arrive, it fails on them, and where
-- it is under way, this waits for its end. Then `recover` reads all there will ever be. Void ones have no queue, nor jobs.
insert into pgflow.leases (id, claimed_at, expires_at, suspect, alone, worker_id, queue, job_ids, attempts, spent)
select v.id, clock_timestamp(), clock_timestamp() + %(seconds)s::double precision * interval '1 s', false, false, '', '',
  '{}', '{}', '{}'
from unnest(%(leases)s::uuid[]) as v (id) order by v.id
on conflict (id) do nothing
