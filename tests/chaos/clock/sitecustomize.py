"""Sets this process's clock wrong, in a directory that only those have on their path for whom it is meant.

CHAOS_CLOCK is a number of seconds the clock is off, from the start or, after a colon, so many seconds later. It is
`time.time` that is off, the one clock pgflow reads; `time.clock_gettime`, which the ledger reads, stays right.
"""

import os
import time

off, _, later = os.environ["CHAOS_CLOCK"].partition(":")
OFF_SECONDS, FROM = float(off), time.monotonic() + float(later or 0)
right = time.time


def wrong() -> float:
    """Tell a wrong time."""
    return right() + (OFF_SECONDS if time.monotonic() >= FROM else 0.0)


time.time = wrong
