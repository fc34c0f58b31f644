"""How long to wait between tries at a database that does not answer."""

from __future__ import annotations

import random
from typing import Final

FIRST_SECONDS: Final = 0.1
MOST_SECONDS: Final = 5.0


class Backoff:
    """Doubles from `first` to `most` seconds, each a random half to whole of that, so that a fleet is spread."""

    def __init__(self, first: float = FIRST_SECONDS, most: float = MOST_SECONDS) -> None:
        self.tries = 0
        self._first, self._most = first, most

    def seconds(self) -> float:
        """Count a failed try; gives the seconds to wait before the next."""
        bound = min(self._most, self._first * 2.0 ** min(self.tries, 10))
        self.tries += 1
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self.tries = 0
