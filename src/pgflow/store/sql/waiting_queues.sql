-- What an idle worker asks: which of its queues have something to claim (paused ones have nothing), and the seconds
-- until the next scheduled job is due, null where none waits. Each probe reads one entry, whatever the plan.
select array(
    select q.name from unnest(%(queues)s::text[]) as q (name)
    where (select true from pgflow.ready as r where r.queue = q.name order by r.rank, r.run_at, r.job_id limit 1)
      and not exists (select from pgflow.queues as p where p.name = q.name and p.paused)),
  (select extract(epoch from s.run_at - clock_timestamp())::double precision
   from pgflow.scheduled as s order by s.run_at limit 1)
