-- How often what was decided, by steps of time and reason: of the newest 20,000 records, those since a window's begin.
-- Ids grow with time, so the newest are the end of an index, whatever else is on record; `since` says where they end.
with newest as materialized (
  select d.kind, d.reason_code, d.created_at, d.count from pgflow.decisions as d
  where %(queue)s::text is null or d.queue = %(queue)s order by d.id desc limit 20000
), clock as materialized (
  select extract(epoch from clock_timestamp())::double precision as now,
    (select case when count(*) = 20000 then min(created_at) end from newest) as since
), steps as (
  select floor(extract(epoch from n.created_at) / %(step)s::integer)::bigint as nth, n.kind, n.reason_code,
    sum(n.count)::bigint as count
  from newest as n cross join clock as c
  where n.created_at > to_timestamp(c.now - %(window)s::integer)
    and (%(reason_code)s::text is null or n.reason_code = %(reason_code)s)
  group by 1, 2, 3
)
select c.now, c.since, s.nth, s.kind, s.reason_code, s.count from clock as c left join steps as s on true
