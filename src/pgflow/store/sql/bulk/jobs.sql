-- Store jobs: of one statement that takes them as JSON, the server's work costs three times as much.
copy pgflow.jobs (id, args, kwargs, created_at, run_at, expires_at, timeout, priority, max_attempts, keep_result,
  queue, task, headers, parent_id, root_id, replay_of) from stdin (format binary)
