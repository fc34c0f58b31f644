"""The worker: claim, run, acknowledge; and what keeps that honest."""
