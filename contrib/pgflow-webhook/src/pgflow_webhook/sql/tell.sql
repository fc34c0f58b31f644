-- Note deaths that subscribers are told of; gives those they were not told of before.
insert into pgflow_webhook.told (subscription, job_id, attempt)
select g.subscription, g.job_id, g.attempt
from unnest(%(subscriptions)s::text[], %(job_ids)s::uuid[], %(attempts)s::integer[]) as g (subscription, job_id, attempt)
order by g.subscription, g.job_id, g.attempt
on conflict do nothing
returning subscription, job_id::text, attempt
