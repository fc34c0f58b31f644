-- I10: no run began where as many were under way as its queue's limit allows, or as many had begun within the minute.
-- A given limit stood all the time. One of the queues table is known to have stood since the first decision in a row
-- that names it; it is judged from a minute later on, and only by what began since: what was claimed before may still run.
-- A run lies within the time its job was in someone's hands, so that no count is too high. When it was claimed is not on
-- record: within 10 s before it began, so that what began within 50 s was claimed within the minute.
with given as materialized (
  select g.queue, g.flying, g.rate
  from unnest(%(queues)s::text[], %(flying)s::integer[], %(rates)s::integer[]) as g (queue, flying, rate)
), named as materialized (
  select d.queue, d.reason_code, d.created_at, coalesce(d.last_at, d.created_at) as last_at,
    coalesce(d.details ->> 'max_in_flight', d.details ->> 'max_attempts_per_minute')
      = case d.reason_code when 'IN_FLIGHT_EXCEEDED' then q.max_in_flight else q.max_attempts_per_minute end::text as same
  from pgflow.decisions as d join pgflow.queues as q on q.name = d.queue
  where d.kind = 'policy' and d.reason_code in ('IN_FLIGHT_EXCEEDED', 'ATTEMPT_RATE_EXCEEDED')
    and d.queue not in (select queue from given)
), proven as materialized (
  select n.queue, n.reason_code, min(n.created_at) + interval '1 min' as since from named as n
  where n.same and not exists (
    select from named as o where o.queue = n.queue and o.reason_code = n.reason_code
      and o.same is distinct from true and o.last_at >= n.created_at)
  group by n.queue, n.reason_code
), limits as materialized (
  select g.queue, g.flying, g.rate, '-infinity'::timestamptz as flying_since, '-infinity'::timestamptz as rate_since from given as g
  union all
  select q.name, q.max_in_flight, q.max_attempts_per_minute, f.since, r.since
  from pgflow.queues as q
  left join proven as f on f.queue = q.name and f.reason_code = 'IN_FLIGHT_EXCEEDED'
  left join proven as r on r.queue = q.name and r.reason_code = 'ATTEMPT_RATE_EXCEEDED'
  where f.since is not null or r.since is not null
), runs as materialized (
  select l.queue, l.flying, l.rate, l.flying_since, l.rate_since, a.job_id, a.started_at,
    a.finished_at - (a.finished_at - a.started_at) * 0.001 as until
  from limits as l join pgflow.jobs as j on j.queue = l.queue join pgflow.attempts as a on a.job_id = j.id
  where j.id >= %(first)s::uuid and a.job_id >= %(first)s::uuid and a.worker_id is not null and a.started_at is not null
  union all
  select l.queue, l.flying, l.rate, l.flying_since, l.rate_since, u.job_id, h.claimed_at, 'infinity'
  from limits as l join pgflow.leases as h on h.queue = l.queue
  cross join unnest(h.job_ids, h.attempts) as u (job_id, attempt)
  where not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
), swept as (
  select e.queue, e.flying, e.step, e.job_id,
    sum(e.step) over (partition by e.queue order by e.at, e.step rows unbounded preceding) as under_way
  from (
    select queue, flying, job_id, started_at as at, 1 as step from runs where started_at >= flying_since
    union all
    select queue, flying, job_id, until, -1 from runs where started_at >= flying_since
  ) as e
), paced as (
  select r.job_id, r.started_at, lag(r.started_at, r.rate) over (partition by r.queue order by r.started_at) as so_many_ago
  from runs as r where r.rate is not null and r.started_at >= r.rate_since
)
select 'in flight', count(*), min(job_id::text) from swept where step = 1 and under_way > flying
union all
select 'rate', count(*), min(job_id::text) from paced where so_many_ago > started_at - interval '50 s'
