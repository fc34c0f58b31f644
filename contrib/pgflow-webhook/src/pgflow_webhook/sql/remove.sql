-- Remove a subscription; deliveries under way find it gone and end.
delete from pgflow_webhook.subscriptions where name = %(name)s returning name
