"""Puts another door in the place of an app's own, for the length of a block."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pgflow.errors import DatabaseUnavailableError
from pgflow.hooks import Enqueue
from pgflow.model import check_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow.app import App
    from pgflow.model import NewJob
    from pgflow.task.door import Door

WAYS: Final = ("put", "aput", "job_row", "ajob_row", "job_ending", "ajob_ending")


@contextmanager
def led_to(app: App, door: Door) -> Iterator[None]:
    """Lead the app's enqueues and its handles' looks to another door.

    Tasks and handles hold the app's door itself, so its ways are shadowed on that one object.
    """
    ways = vars(app.door)
    before: dict[str, object] = {way: ways[way] for way in WAYS if way in ways}
    ways.update({way: getattr(door, way) for way in WAYS})
    try:
        yield
    finally:
        for way in WAYS:
            del ways[way]
        ways.update(before)


@contextmanager
def without_database(app: App) -> Iterator[None]:
    """Refuse to open the app's database, lest a test starts one that it never looks at."""
    before = vars(app).get("database")
    vars(app)["database"] = _Nowhere()
    try:
        yield
    finally:
        del vars(app)["database"]
        if before is not None:
            vars(app)["database"] = before


def judge(app: App, jobs: Sequence[NewJob], conn: object | None) -> list[NewJob]:
    """Let the guardrails judge, as the app's own door does, and give what they made of the jobs.

    A refusal is raised, and recorded nowhere.
    """
    check_keys(jobs)
    judged = list(jobs)
    app.hooks.before_enqueue(judged, Enqueue(app, conn is not None))
    return judged


class _Nowhere:
    def open(self, *_: object) -> NoReturn:
        msg = "no database is opened within captured() and inline(): use the fixture pgflow_app and drain() for this"
        raise DatabaseUnavailableError(msg)

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return self.open()
