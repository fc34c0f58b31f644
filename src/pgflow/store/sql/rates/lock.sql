-- Be the only one to charge these queues, till the transaction ends; in one order, so that two never wait in a ring.
select pg_advisory_xact_lock(%(space)s, k.key)
from (select distinct hashtext(queue) as key from unnest(%(queues)s::text[]) as queue order by 1) as k
