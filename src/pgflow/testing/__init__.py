"""Help for testing code that enqueues and runs jobs."""
