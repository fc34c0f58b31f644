-- Ids of dead jobs, newest first, within two bounds, and whether each is worth a closer look: what its letter tells.
-- Sorted by the column: by job_id alone, which is the text above, the whole table would be read and sorted.
select d.job_id::text,
  (%(queue)s::text is null or queue = %(queue)s) and (%(task)s::text is null or task = %(task)s)
  and (%(error_code)s::text is null or error_code = %(error_code)s)
  and (%(text)s::text is null or position(lower(%(text)s) in lower(error_message)) > 0)
from pgflow.dead_letters as d
where job_id < %(before)s::uuid and job_id >= %(after)s::uuid order by d.job_id desc limit %(most)s
