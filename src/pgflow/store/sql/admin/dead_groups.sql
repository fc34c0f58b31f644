-- The newest 20,000 open dead letters by reason, task and error, ids and numbers in its first 200 characters made alike.
select reason_code, task, error_code, left(md5(alike), 12), count(*), min(dead_at), max(dead_at),
  (array_agg(job_id order by dead_at desc, job_id desc))[1]::text,
  (array_agg(error_message order by dead_at desc, job_id desc))[1]
from (
  select d.*, coalesce(regexp_replace(lower(left(error_message, 200)), '0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+', '#', 'g'), '') as alike
  from (
    select * from pgflow.dead_letters
    where replayed_as is null and discarded_at is null and (%(queue)s::text is null or queue = %(queue)s)
    order by dead_at desc, job_id desc limit 20000
  ) as d
) as d
group by reason_code, task, error_code, alike
order by count(*) desc, max(dead_at) desc limit %(most)s
