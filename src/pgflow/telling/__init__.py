"""What people are told of jobs, queues and workers, on a page and in a terminal: pure functions, and no I/O."""
