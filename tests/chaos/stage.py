"""What a scenario acts on: a server, a fleet of workers, a seeded hazard and the time it has."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from chaos.fleet import Fleet
from chaos.server import Server
from pgflow import App

if TYPE_CHECKING:
    from pathlib import Path

# short times, so that minutes hold many lapses; the margins between them are those of the defaults
SHORT_TIMES = {
    "PGFLOW_LEASE_SECONDS": "4",
    "PGFLOW_REAP_INTERVAL_MS": "500",
    "PGFLOW_POLL_INTERVAL_MS": "200",
    "PGFLOW_SHUTDOWN_GRACE_SECONDS": "5",
    "PGFLOW_DB_ACQUIRE_TIMEOUT_SECS": "3",
    "PGFLOW_DEQUEUE_BATCH_SIZE": "64",
    "PGFLOW_EMBEDDED": "0",
    "MAINTENANCE_INTERVAL_SECS": "5",
}
REAP_SECONDS = 0.5


class Stage:
    """One scenario's run. A setup may replace `url` and `server`, and add to `env` and `client_env`.

    `checks` are further keywords of the checker; `endings` are left, in reverse order, when all is over.
    What a setup puts between is kept in `props` for its strike.
    """

    def __init__(self, name: str, directory: Path, *, seed: int) -> None:
        self.name = name
        self.directory = directory
        self.ledger_dir = directory / "ledger"
        self.ledger_dir.mkdir(parents=True)
        self.rng = random.Random(f"{seed}/{name}")  # noqa: S311 - replayable by its seed
        self.server = Server(directory / "server")
        self.url = ""
        self.env: dict[str, str] = dict(SHORT_TIMES)
        self.client_env: dict[str, str] = {}
        self.workers = 3
        self.reap_seconds = REAP_SECONDS
        self.fleet = Fleet(directory, self._environment)
        self.checks: dict[str, Any] = {}
        self.blames: list[dict[str, Any]] = []
        self.endings = ExitStack()
        self.props: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._over = threading.Event()
        self._until = float("inf")

    @property
    def direct_url(self) -> str:
        """The database itself, past every proxy and pooler: for checks and faults."""
        return self.server.url

    def over(self) -> bool:
        """True once the time for faults is up: leave everything whole and return."""
        return self._over.is_set() or time.monotonic() >= self._until

    def seconds_left(self) -> float:
        """How long until it is over, never less than none."""
        return 0.0 if self.over() else self._until - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is over."""
        self._over.wait(max(0.0, min(seconds, self._until - time.monotonic())))

    def give(self, seconds: float) -> None:
        """Say how long the faults have from now on."""
        self._until = time.monotonic() + seconds

    def call_off(self) -> None:
        """End the faults now."""
        self._over.set()

    def log(self, text: str) -> None:
        """Keep a line of what was done, with the seconds since the start."""
        line = f"{time.monotonic() - self._began:7.2f} {text}"
        with self._lock, (self.directory / "events.log").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def blame(self, invariant: str, count: int, sample: str, detail: str) -> None:
        """Report what the tables and ledgers cannot tell by themselves."""
        self.blames.append({"invariant": invariant, "count": count, "sample": sample, "detail": detail})

    def demand_bite(self, count: int, what: str) -> None:
        """Report a scenario that did not do what it is for: it would prove nothing."""
        if not count:
            self.blame("R5", 1, what, "the scenario did not bite")

    def count(self, outcome: str) -> int:
        """How many attempts ended so."""
        return int(self.ask("select count(*) from pgflow.attempts where outcome = %s::pgflow.outcome", [outcome])[0][0])

    def ask(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement in the database, past every proxy; gives its rows."""
        return self.server.ask(query, params)

    def admin_app(self) -> App:
        """Make an app on the database itself, to be closed by the caller."""
        return App("chaos", dsn=self.direct_url, embedded=False, db_acquire_timeout_secs=3)

    def _environment(self) -> dict[str, str]:
        return {"PGFLOW_DATABASE_URL": self.url, "CHAOS_LEDGER": str(self.ledger_dir), **self.env}
