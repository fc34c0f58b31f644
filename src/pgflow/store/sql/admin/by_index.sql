-- For the rest of this transaction, join row by row: a page is short, and hashing whole tables for it is not.
-- Sequential scans stay: leases has no other, and its penalty would hide every difference between the plans.
select set_config(s.name, 'off', true) from unnest(array['enable_hashjoin', 'enable_mergejoin', 'jit']) as s (name)
union all select set_config('max_parallel_workers_per_gather', '0', true)
