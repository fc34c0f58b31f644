-- The newest 20,000 open dead letters whose job did not die last, or is gone.
select count(*), min(d.job_id::text) from (
  select job_id, attempt from pgflow.dead_letters where replayed_as is null and discarded_at is null
  order by dead_at desc, job_id desc limit 20000
) as d
left join lateral (
  select a.attempt, a.outcome from pgflow.attempts as a where a.job_id = d.job_id order by a.attempt desc limit 1
) as a on true
where a.outcome is distinct from 'dead' or a.attempt <> d.attempt
