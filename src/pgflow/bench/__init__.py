"""Measurements of pgflow on a database of their own: what a job costs, as figures of one run and ratios within it."""
