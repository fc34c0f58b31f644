-- Store jobs: taken as JSON by a statement they cost the server over twice as much.
copy pgflow.jobs (id, args, kwargs, created_at, run_at, expires_at, timeout, priority, max_attempts, keep_result,
  queue, task, headers, parent_id, root_id, replay_of) from stdin (format binary)
