-- Dead letters, newest first, keyset paged, and whether each is worth a closer look; alike is as in dead_groups.sql.
-- Sorted by the columns, as in newest_dead.sql.
select d.job_id::text, d.dead_at, reason_code, replayed_as::text, discarded_at,
  (%(queue)s::text is null or queue = %(queue)s) and (%(task)s::text is null or task = %(task)s)
  and (%(reason_code)s::text is null or reason_code = %(reason_code)s)
  and (%(error_code)s::text is null or error_code = %(error_code)s)
  and (%(text)s::text is null or position(lower(%(text)s) in lower(error_message)) > 0)
  and (not %(open_only)s::boolean or replayed_as is null and discarded_at is null)
  and (%(fingerprint)s::text is null or %(fingerprint)s = left(md5(coalesce(
    regexp_replace(lower(left(error_message, 200)), '0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+', '#', 'g'), '')), 12))
from pgflow.dead_letters as d
where (dead_at, job_id) < (%(dead_at)s::timestamptz, %(job_id)s::uuid)
order by d.dead_at desc, d.job_id desc limit %(most)s
