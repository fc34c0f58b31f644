-- Keep that a policy held a queue back: a row each 10 s for a queue and reason, over all workers; in between it counts.
-- Gives the queue's head job; nothing, and nothing is kept, where no entry waits.
with head as materialized (
  select r.job_id from pgflow.ready as r where r.queue = %(queue)s order by r.rank, r.run_at, r.job_id limit 1
), turn as (
  insert into pgflow.turns as t (name, taken_by, taken_until)
  select concat('held:', %(queue)s::text, ':', %(reason_code)s::text), %(worker)s::text,
    clock_timestamp() + interval '10 s'
  from head
  on conflict (name) do update set taken_by = excluded.taken_by, taken_until = excluded.taken_until
  where t.taken_until <= clock_timestamp()
  returning t.name
), kept as (
  insert into pgflow.decisions (kind, queue, job_id, decision, reason_code, details)
  select 'policy', %(queue)s, h.job_id, 'held', %(reason_code)s, %(details)s::json from head as h, turn
), counted as (
  update pgflow.decisions set count = count + 1, last_at = clock_timestamp()
  where not exists (select from turn) and exists (select from head) and id = (
    select d.id from pgflow.decisions as d
    where d.queue = %(queue)s and d.kind = 'policy' and d.reason_code = %(reason_code)s
      and d.created_at > clock_timestamp() - interval '20 s'
    order by d.created_at desc limit 1)
)
select job_id::text from head
