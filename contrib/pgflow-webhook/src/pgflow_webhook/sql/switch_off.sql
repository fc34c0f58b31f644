-- Stop telling a receiver that says it is gone.
update pgflow_webhook.subscriptions set active = false, why_inactive = %(why)s where name = %(name)s returning name
