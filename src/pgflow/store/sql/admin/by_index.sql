-- For the rest of this transaction, join row by row: a page is short, and hashing whole tables for it is not.
-- Sequential scans stay: leases has no other, and its penalty would hide every difference between the plans.
-- Plans are kept: with fourteen buckets, to plan a page took 9 ms of the 13 it took.
select set_config(s.name, s.value, true) from (values
  ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off'), ('max_parallel_workers_per_gather', '0'),
  ('plan_cache_mode', 'force_generic_plan')) as s (name, value)
