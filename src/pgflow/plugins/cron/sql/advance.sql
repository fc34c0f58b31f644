-- Note the jobs that a schedule's slots became, and move it on to its next slot.
with noted as (
  update pgflow.unique_keys as u set job_id = m.job_id
  from unnest(%(keys)s::text[], %(job_ids)s::uuid[]) as m (key, job_id)
  where u.scope = 'cron' and u.key = m.key
)
update pgflow.schedules set
  next_at = %(next_at)s,
  last_at = case when cardinality(%(job_ids)s::uuid[]) > 0 then clock_timestamp() else last_at end,
  last_job_id = coalesce((%(job_ids)s::uuid[])[cardinality(%(job_ids)s::uuid[])], last_job_id),
  last_error = case when cardinality(%(job_ids)s::uuid[]) > 0 or %(refused)s > 0 then %(error)s::text else last_error end,
  fired = fired + cardinality(%(job_ids)s::uuid[]),
  missed = missed + %(missed)s,
  coalesced = coalesced + %(coalesced)s,
  refused = refused + %(refused)s
where name = %(name)s
