-- Every subscription, its secrets too: only the one who signs may see them.
select name, url, secrets, events, queue, task, active, why_inactive, failed_at, last_error, created_at
from pgflow_webhook.subscriptions order by name
