-- Keep the last failure of a subscription, for those who look; null says that it is well again.
update pgflow_webhook.subscriptions
set failed_at = case when %(error)s::text is null then failed_at else clock_timestamp() end, last_error = %(error)s
where name = %(name)s returning name
