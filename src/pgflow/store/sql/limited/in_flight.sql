-- How many jobs of a queue are in anyone's hands, counted to a bound: leased, and no attempt on record for that number.
select count(*) from (
  select from pgflow.leases as l cross join unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where l.queue = %(queue)s
    and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)
  limit %(most)s
) as held
