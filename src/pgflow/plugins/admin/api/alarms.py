"""GET /alarms: what somebody should look at now, each with its remedy; the overview begins with these."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pgflow.admin import Endpoint, doctor
from pgflow.admin import alarms as found
from pgflow.plugins.admin.api.lists import All, Cached
from pgflow.plugins.admin.api.shared import QUEUES, WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.admin import Call

Alarm = found.Alarm


class Alarms:
    """Looks for all of them, at most once a second, and remembers how long queues were a minute ago."""

    def __init__(self) -> None:
        self._growth: WeakKeyDictionary[Any, found.Growth] = WeakKeyDictionary()
        self._found = Cached(self._look)

    def answer(self, call: Call) -> All[Alarm]:
        """List alarms, the critical ones first."""
        return All(self._found.of(call.app))

    def _look(self, app: Any) -> list[Alarm]:
        queues = QUEUES.of(app)
        transactions, lapsed = app.reads.together(
            lambda run: (run(doctor.old_transactions()), run(doctor.lapsed_leases()))
        )
        before = self._growth.setdefault(app, found.Growth()).since(time.monotonic(), queues)
        stored = found.alarms(queues, WORKERS.of(app), before=before, lapsed=lapsed, transactions=transactions)
        return sorted([*_of_own_workers(app), *stored], key=found.severity)


def _of_own_workers(app: Any) -> Iterator[Alarm]:
    # of workers in this process more is known than their heartbeats say
    for check in app.worker_health():
        if not check.ok and check.name != "stopping":
            code = (
                "LISTENER_DOWN"
                if "listen has been failing" in check.detail
                else f"WORKER_{check.name.upper().replace('-', '_')}"
            )
            title = f"The worker beside this admin: {check.name}"
            yield Alarm(code, "critical" if check.blocks else "warning", title, check.detail, check.remedy)


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoint, with a memory of its own."""
    return (
        Endpoint(
            method="GET", path="/alarms", name="list_alarms", summary="List what somebody should look at now",
            scope="read", answer=Alarms().answer, response=All[Alarm], tag="health",
        ),
    )  # fmt: skip
