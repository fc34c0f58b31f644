-- Up to when dead letters were looked through; no row where they never were.
select looked_to from pgflow_webhook.progress
