"""GET /health and /health/live: whether requests can be served, and whether the process stands at all."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pgflow.admin import Answer, Endpoint, Statement, load, nothing

if TYPE_CHECKING:
    from pgflow import HealthCheck
    from pgflow.admin import Call

PING: Final = load("ping", package=__package__)
GOOD_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0


class Look:
    """Whether the database answers within 2 s, and what plugins' checks say; looked at once a second, by one thread.

    A thread that waits for a lost connection may take its time; those who ask do not wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._busy = False
        self._asked_at = float("-inf")
        self._checks: list[HealthCheck] | None = None

    def checks(self, app: Any) -> list[HealthCheck] | None:
        """Give the plugins' checks; None where the database does not answer."""
        with self._lock:
            if self._done.is_set() and time.monotonic() - self._asked_at < GOOD_SECONDS:
                return self._checks
            if not self._busy:
                self._busy = True
                self._asked_at = time.monotonic()
                self._done.clear()
                threading.Thread(target=self._ask, args=(app,), name="pgflow-health", daemon=True).start()
        return self._checks if self._done.wait(ANSWER_SECONDS) else None

    def _ask(self, app: Any) -> None:
        try:
            app.reads.run(Statement(PING, {}, nothing))
            # without a database there is nothing they could check
            self._checks = app.hooks.health(app)
        except Exception:  # noqa: BLE001 - whatever it is, requests cannot be served; theirs are logged
            self._checks = None
        with self._lock:
            self._busy = False
            self._done.set()


class Health:
    """The answers about health."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: WeakKeyDictionary[Any, Look] = WeakKeyDictionary()

    def ready(self, call: Call) -> Answer:
        """Say ok, or what is down; the details are for those with a token, in the log and `pgflow doctor`."""
        with self._lock:
            look = self._looks.setdefault(call.app, Look())
        checks = look.checks(call.app)
        bad = [one for one in (*call.app.worker_health(), *(checks or ())) if not one.ok]
        names = [one.name for one in bad if one.blocks]
        down = list(dict.fromkeys(["database", *names] if checks is None else names))
        warnings = list(dict.fromkeys(one.name for one in bad if not one.blocks))
        body: dict[str, object] = {"status": "down" if down else "ok"}
        body |= {name: said for name, said in (("down", down), ("warnings", warnings)) if said}
        return Answer(body, 503, {"retry-after": "2"}) if down else Answer(body)


def live(_call: Call) -> dict[str, str]:
    """Say that the process stands; a database that is down is no reason to restart it."""
    return {"status": "ok"}


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoints, which need no token."""
    return (
        Endpoint(
            method="GET", path="/health", name="health", summary="Say whether requests can be served", scope="read",
            answer=Health().ready, response=dict[str, object], errors=(503,), tag="health",
        ),
        Endpoint(
            method="GET", path="/health/live", name="live", summary="Say that the process stands", scope="read",
            answer=live, response=dict[str, str], tag="health",
        ),
    )  # fmt: skip
