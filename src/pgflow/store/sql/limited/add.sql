-- Make the row of a queue that has none, which locks it; nothing comes back where it was there.
insert into pgflow.queues (name) values (%(queue)s) on conflict (name) do nothing returning name
