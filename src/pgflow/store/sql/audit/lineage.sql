-- I7: a replay is of a job that had ended and has its root, letters and replays name each other, and nobody descends
-- from himself: a ring has a step that does not lead back in time, and is walked from there.
-- A letter's replay may have gone with its bucket, and a job that died again after a replay has a new letter.
with recursive born as materialized (
  select j.id, j.created_at, j.root_id, j.replay_of, j.parent_id from pgflow.jobs as j
  where j.id >= %(first)s::uuid and (j.replay_of is not null or j.parent_id is not null or j.root_id is not null)
), steps as (
  select b.id, b.created_at, b.root_id, b.replay_of as up from born as b where b.replay_of is not null
  union all
  select b.id, b.created_at, b.root_id, b.parent_id from born as b where b.parent_id is not null
), known as materialized (
  select s.id, s.created_at, s.root_id, s.up, u.created_at as up_created_at, coalesce(u.root_id, u.id) as up_root
  from steps as s join pgflow.jobs as u on u.id = s.up
), walk (start, at) as (
  select k.id, k.up from known as k where k.up_created_at >= k.created_at
  union
  select w.start, s.up
  from walk as w join pgflow.jobs as j on j.id = w.at cross join lateral (values (j.replay_of), (j.parent_id)) as s (up)
  where s.up is not null
), unended as (
  select b.id from born as b join pgflow.jobs as u on u.id = b.replay_of
  where not exists (select from pgflow.attempts as a
    where a.job_id = b.replay_of and a.outcome in ('succeeded', 'dead', 'cancelled', 'expired'))
), unanswered as (
  select d.job_id from pgflow.dead_letters as d left join pgflow.jobs as n on n.id = d.replayed_as
  where d.replayed_as >= %(first)s::uuid and (n.replay_of is distinct from d.job_id and n.id is not null
    or n.id is null and pgflow.uuid_time(d.replayed_as) > now() - %(kept)s::double precision * interval '1 s')
), unmarked as (
  select d.job_id from born as b join pgflow.dead_letters as d on d.job_id = b.replay_of
  where d.replayed_as is null and b.created_at > d.dead_at + interval '5 s'
)
select 'ring', count(distinct start), min(start::text) from walk where at = start
union all
select 'root', count(*), min(id::text) from known where root_id is distinct from up_root and up <> id
union all
select 'early', count(*), min(id::text) from unended
union all
select 'letter', count(*), min(job_id::text) from unanswered
union all
select 'unmarked', count(*), min(job_id::text) from unmarked
