"""Asks something dear once a second at the most, for all who want to know, each of whom waits a bounded time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pgflow import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 3.0
"""A third of what Prometheus waits for a scrape by default."""


class Sampler(Generic[T]):
    """Keeps an answer, or an error, for a second. It is fetched in a thread of its own, one at a time."""

    def __init__(self, fetch: Callable[[], T], *, patience: float = PATIENCE_SECONDS) -> None:
        self._fetch = fetch
        self._patience = patience
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None
        self._since = 0.0

    def get(self) -> T:
        """Give the answer. Raises what the fetch raised, or `DatabaseUnavailableError` where it does not come."""
        with self._lock:
            answer = self._answer
            if answer is None or (answer.done() and time.monotonic() - self._since >= FRESH_SECONDS):
                answer = self._answer = Future()
                # a daemon: a database that hangs must not keep the process from ending
                threading.Thread(target=self._fill, args=(answer,), name="pgflow-metrics", daemon=True).start()
        try:
            return answer.result(self._patience)
        except TimeoutError:
            if answer.done():
                raise
            msg = f"the database has not answered within {self._patience:g} s: look at its load and the way to it"
            raise DatabaseUnavailableError(msg) from None

    def _fill(self, answer: Future[T]) -> None:
        try:
            found = self._fetch()
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            self._since = time.monotonic()
            answer.set_exception(error)
        else:
            self._since = time.monotonic()
            answer.set_result(found)
