-- Keep minutes, anew where they are kept already.
insert into pgflow.stats_minutes as m (queue, minute, ends, wait_seconds, run_seconds, waits, runs)
select queue, minute, ends, wait_seconds, run_seconds, waits, runs
from json_to_recordset(%(minutes)s::json) as t (queue text, minute timestamptz, ends bigint[],
  wait_seconds double precision, run_seconds double precision, waits bigint[], runs bigint[])
order by queue, minute
on conflict (queue, minute) do update set ends = excluded.ends, wait_seconds = excluded.wait_seconds,
  run_seconds = excluded.run_seconds, waits = excluded.waits, runs = excluded.runs
