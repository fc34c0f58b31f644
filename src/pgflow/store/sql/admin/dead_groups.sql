-- The newest 10,000 open dead letters by reason, task and error, ids and numbers in its first 200 characters made alike.
-- Of each group the newest is found by its number: to sort as many texts took longer than all the rest.
-- Each group's deaths fall into 24 equal parts of the time from the first of all of them until now.
with newest as materialized (
  select row_number() over (order by d.dead_at desc, d.job_id desc) as nth, d.job_id, d.dead_at, d.reason_code, d.task,
    d.error_code, d.error_message,
    coalesce(regexp_replace(lower(left(d.error_message, 200)), '0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+', '#', 'g'), '') as alike
  from pgflow.dead_letters as d
  where d.replayed_as is null and d.discarded_at is null and (%(queue)s::text is null or d.queue = %(queue)s)
  order by d.dead_at desc, d.job_id desc limit 10000
), span as materialized (
  select min(dead_at) as since, greatest(clock_timestamp(), max(dead_at) + interval '1 s') as until from newest
), groups as materialized (
  select reason_code, task, error_code, alike, count(*) as letters, min(dead_at) as first_at, max(dead_at) as last_at,
    min(nth) as newest, array_agg(width_bucket(extract(epoch from dead_at), extract(epoch from since),
      extract(epoch from until), 24)) as parts
  from newest cross join span group by reason_code, task, error_code, alike order by 5 desc, 7 desc limit %(most)s
)
select g.reason_code, g.task, g.error_code, left(md5(g.alike), 12), g.letters, g.first_at, g.last_at, n.job_id::text,
  n.error_message, span.since, span.until, g.parts
from groups as g join newest as n on n.nth = g.newest cross join span
order by g.letters desc, g.last_at desc
