-- Which of these leases still stand, and which of their jobs someone wishes to cancel.
select l.id::text, array(select c.job_id::text from pgflow.cancellations as c where c.job_id = any (l.job_ids))
from pgflow.leases as l where l.id = any (%(leases)s::uuid[]) and l.worker_id = %(worker)s
