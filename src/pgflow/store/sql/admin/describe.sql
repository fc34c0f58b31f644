-- Jobs as they stand, newest first, of the ids given; a filter that is null lets everything pass.
-- What the jobs themselves tell is looked at first: where one stands costs 20 us to find out, and more where it runs.
with worth as materialized (
  select j.*, j.tableoid as bucket
  from unnest(%(ids)s::uuid[]) as c (id)
  join pgflow.jobs as j on j.id = c.id
  where (%(queue)s::text is null or j.queue = %(queue)s)
    and (%(task)s::text is null or j.task = %(task)s)
    and (%(created_after)s::timestamptz is null or j.created_at >= %(created_after)s)
    and (%(created_before)s::timestamptz is null or j.created_at < %(created_before)s)
    and (%(dataset)s::text is null or j.tableoid = to_regclass('pgflow.jobs_' || %(dataset)s))
    and (%(tag)s::text is null or j.headers ->> 'tag' = %(tag)s or exists (
      select from json_array_elements_text(case json_typeof(j.headers -> 'tags') when 'array' then j.headers -> 'tags' end) as t (tag)
      where t.tag = %(tag)s))
    and not exists (
      select from json_to_recordset(%(arguments)s::json) as w (path text[], wanted text)
      where coalesce(j.kwargs #>> w.path, j.args #>> w.path) is distinct from w.wanted)
)
select j.id::text, s.state, j.queue, j.task,
  case when %(payloads)s then j.args end, case when %(payloads)s then j.kwargs end,
  j.priority, j.max_attempts, s.attempt, s.spent, j.created_at, j.run_at, s.next_run_at, j.expires_at, s.finished_at,
  s.worker_id, s.error_code, s.error_message, d.reason_code, j.replay_of::text, j.root_id::text, j.parent_id::text,
  case when %(payloads)s then j.headers end,
  regexp_replace(j.bucket::regclass::text, '^.*jobs_', ''), j.timeout, j.keep_result, j.unique_key
from worth as j
join pgflow.job_state as s on s.id = j.id
left join pgflow.dead_letters as d on d.job_id = j.id
where (%(state)s::text is null or s.state = %(state)s)
  and (%(worker)s::text is null or s.worker_id = %(worker)s)
  and (%(error_code)s::text is null or s.error_code = %(error_code)s)
  and (%(text)s::text is null or position(lower(%(text)s) in lower(s.error_message)) > 0)
order by j.id desc
