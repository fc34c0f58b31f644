-- Forget ten thousand deaths told of for a day longer than dead letters will be looked through again.
delete from pgflow_webhook.told where (subscription, job_id, attempt) in (
  select t.subscription, t.job_id, t.attempt from pgflow_webhook.told as t
  where t.told_at < (select p.looked_to from pgflow_webhook.progress as p) - interval '1 day'
  order by t.told_at limit 10000)
