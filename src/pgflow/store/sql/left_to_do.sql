-- How much waits in these queues, each counted to a thousand at most; paused queues have nothing ready.
select
  (select count(*) from (select from pgflow.ready as r where r.queue = any (%(queues)s::text[])
    and not exists (select from pgflow.queues as q where q.name = r.queue and q.paused) limit 1000) as r)::integer,
  (select count(*) from (select from pgflow.scheduled as s where s.queue = any (%(queues)s::text[]) limit 1000) as s)::integer,
  (select count(*) from (select from pgflow.leases as l where l.queue = any (%(queues)s::text[]) limit 1000) as l)::integer
