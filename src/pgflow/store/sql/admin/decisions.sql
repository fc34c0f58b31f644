-- Decisions, newest first, keyset paged by id.
select id, created_at, kind, queue, task, job_id::text, decision, reason_code, details, count,
  coalesce(last_at, created_at)
from pgflow.decisions
where id < %(before)s and (%(kind)s::text is null or kind = %(kind)s)
  and (%(queue)s::text is null or queue = %(queue)s)
  and (%(reason_code)s::text is null or reason_code = %(reason_code)s)
order by id desc limit %(most)s
