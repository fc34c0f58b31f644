"""Measurements of pgflow: CPU and WAL for each job, as ratios within one run."""
