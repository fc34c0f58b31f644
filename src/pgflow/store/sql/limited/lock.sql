-- Lock a limited queue's row, in a statement of its own: what counts next must have a snapshot younger than the lock.
-- Nothing comes back where there is no row yet, or another claim has it: a claim never waits for one of another worker.
select name from pgflow.queues where name = %(queue)s for update skip locked
