-- Note up to when dead letters were looked through.
insert into pgflow_webhook.progress (looked_to) values (%(moment)s)
on conflict (only_row) do update set looked_to = excluded.looked_to
