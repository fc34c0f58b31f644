-- Store the entries of jobs for a time to come.
copy pgflow.scheduled (queue, rank, run_at, job_id, attempt, spent, suspect, alone) from stdin (format binary)
