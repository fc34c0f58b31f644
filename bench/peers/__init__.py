"""The comparison with other queues: each in processes of its own, in turn, under one meter."""
