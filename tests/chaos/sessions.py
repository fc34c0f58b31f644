"""Two sessions at once, step by step: what one does stays open while another asks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg

from pgflow.store.admin.audit import audit
from pgflow.store.pool import Pool
from pgflow.store.statement import Statement

Db = psycopg.Connection[Any]
Run = Callable[[Statement[Any]], Any]
Act = Statement[Any] | Callable[[Run], Any]
"""One statement, or what makes several in one transaction, as `Pool.together` takes it."""

SECONDS: Final = 20.0
SET_LOCAL: Final = "select set_config(name, value, true) from json_each_text(%s::json) as s (name, value)"
WAITING: Final = (
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    " and application_name = 'pgflow'"
)
WAITS_FOR: Final = (
    "select 1 from pg_stat_activity where application_name = 'pgflow' and datname = current_database()"
    " and %s = any (pg_blocking_pids(pid))"
)


class Met(NamedTuple):
    """What two acts answered, and whether the second had to wait for the end of the first."""

    first: Any
    second: Any
    waited: bool


@contextmanager
def another(url: str) -> Iterator[Db]:
    """A transaction of another session, rolled back where it is not committed."""
    with psycopg.connect(url) as conn:
        try:
            yield conn
        finally:
            conn.rollback()


def wait_for_waiting(db: Db, seconds: float = 10, *, sessions: int = 1) -> None:
    """Wait until so many sessions of the store wait for a lock; `db` is in no transaction, which sees one moment."""
    end = time.monotonic() + seconds
    while len(db.execute(WAITING).fetchall()) < sessions:
        assert time.monotonic() < end, "nobody waits for a lock"


def meet(pool: Pool, first: Act, second: Act | Callable[[], Any], *, commit: bool, gives_up: bool = False) -> Met:
    """Do `first` in a transaction, start `second` meanwhile, and end the first once the second waits or is done.

    With `gives_up` the first stays open until the second is done, and a wait shorter than a look is not seen: the
    second's own answer has to tell. A `second` that takes no argument is called as it is.
    """
    with psycopg.connect(pool.dsn, autocommit=True) as watcher, ThreadPoolExecutor(1) as threads:
        with another(pool.dsn) as conn:
            answer = _do(conn, first)
            asking = threads.submit(_ask, pool, second)
            waited = _waits(watcher, conn, asking, until_done=gives_up)
            if commit:
                conn.commit()
        return Met(answer, asking.result(SECONDS), waited)


def _do(conn: Db, act: Act) -> Any:
    if isinstance(act, Statement):
        conn.execute(SET_LOCAL, [json.dumps({**act.query.settings, "jit": "off"})])
        return _answer(conn, act)
    return act(lambda statement: _answer(conn, statement))


def _answer(conn: Db, statement: Statement[Any]) -> Any:
    cursor = conn.execute(statement.query.text, statement.params)
    return statement.read(cursor.fetchall() if cursor.description else [])


def _ask(pool: Pool, act: Any) -> Any:
    if isinstance(act, Statement):
        return pool.run(act)
    return act() if act.__code__.co_argcount == 0 else pool.together(act)


def _waits(watcher: Db, conn: Db, asking: Future[Any], *, until_done: bool) -> bool:
    end = time.monotonic() + SECONDS
    waited = False
    while not asking.done():
        assert time.monotonic() < end, "the second session neither waits nor ends"
        waited = waited or watcher.execute(WAITS_FOR, [conn.info.backend_pid]).fetchone() is not None
        if waited and not until_done:
            break
    return waited


def audited(pool: Pool) -> list[str]:
    """What the audit has to say about the tables, in lines."""
    return [f"{found.invariant}: {found.detail}, such as {found.sample}" for found in audit(pool)]
