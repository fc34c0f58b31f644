-- Store the entries of jobs that can run now.
copy pgflow.ready (queue, rank, run_at, job_id, attempt, spent, suspect, alone) from stdin (format binary)
