-- Forget every job and all that is known of any; workers, buckets and the schema stay.
truncate pgflow.queues, pgflow.leases, pgflow.jobs, pgflow.attempts, pgflow.ready, pgflow.scheduled,
  pgflow.dead_letters, pgflow.decisions, pgflow.stats, pgflow.cancellations, pgflow.rates, pgflow.unique_keys, pgflow.turns
