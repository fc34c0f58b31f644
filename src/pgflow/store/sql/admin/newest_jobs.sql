-- Ids of jobs of any state, newest first, within two bounds, and whether each is worth a closer look.
-- What can be told without opening leases is told here: 5 us a job, against up to 600 where one runs.
select j.id::text,
  (%(queue)s::text is null or j.queue = %(queue)s) and (%(task)s::text is null or j.task = %(task)s)
  and (%(outcome)s::text is null or %(outcome)s = (
    select a.outcome::text from pgflow.attempts as a where a.job_id = j.id order by a.attempt desc limit 1))
from pgflow.jobs as j
where j.id < %(before)s::uuid and j.id >= %(after)s::uuid order by j.id desc limit %(most)s
