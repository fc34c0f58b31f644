-- Ids of jobs of any state, newest first, within two bounds.
select id::text from pgflow.jobs
where id < %(before)s::uuid and id >= %(after)s::uuid order by id desc limit %(most)s
