"""Dead letters by task: counted, and shown by `pgflow failures` and at GET /failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pgflow.admin import Call, Endpoint, look
from pgflow.commands import App, Dsn, Json, opened, say_items, table


@dataclass(frozen=True)
class Failures:
    """How many dead letters a task has."""

    task: str
    dead: int


@dataclass(frozen=True)
class FailuresPage:
    """The tasks that have any."""

    items: list[Failures]


def dead_letters(app: Any) -> dict[str, int]:
    """Count the dead letters of each task that nobody has replayed or discarded."""
    counts: Counter[str] = Counter()
    for group in app.reads.run(look.dead_groups(limit=1_000)):
        counts[group.task] += group.count
    return counts


def failures(app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """List the tasks that have dead letters."""
    with opened(app, dsn) as house:
        found = dead_letters(house)
    if as_json:
        say_items(Failures(task, dead) for task, dead in found.items())
    else:
        table(("task", "dead"), list(found.items()), empty="no task has dead letters")


def list_failures(call: Call) -> FailuresPage:
    """Answer GET /failures."""
    return FailuresPage([Failures(task, dead) for task, dead in dead_letters(call.app).items()])


LIST_FAILURES = Endpoint(
    method="GET",
    path="/failures",
    name="list_failures",
    summary="The tasks that have dead letters",
    scope="read",
    answer=list_failures,
    response=FailuresPage,
)
