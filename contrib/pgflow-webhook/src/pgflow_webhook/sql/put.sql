-- Store a subscription, in the place of one of its name.
insert into pgflow_webhook.subscriptions as s (name, url, secrets, events, queue, task)
values (%(name)s, %(url)s, %(secrets)s, %(events)s, %(queue)s, %(task)s)
on conflict (name) do update set url = excluded.url, secrets = excluded.secrets, events = excluded.events,
  queue = excluded.queue, task = excluded.task, active = true, why_inactive = null
returning name
