"""The acts that look after the tables: buckets, pruning, schedules, migrations, the doorbell and all looks."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio
import psycopg

from chaos.crash_reads import reads
from chaos.crash_scene import Scene
from pgflow import State, WorkerInfo
from pgflow.admin import LOCAL, Maintenance
from pgflow.model import OutcomeKind
from pgflow.plugins.audit import entries
from pgflow.plugins.cron import static
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.spec import every
from pgflow.plugins.metrics import minutes
from pgflow.plugins.prune.rounds import Ages, rehearse, tidy
from pgflow.store import buckets, databases, listen, migrate
from pgflow.store.admin import act, audit, doctor
from pgflow.store.pool import Pool
from pgflow.worker.maintenance import turn, whose_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


ORDERS: Final = "create table orders (token text primary key)"
ME: Final = WorkerInfo("scene", "here", 1, "asyncio", (), ())
AGES: Final = Ages(archive=7, drop=14, letters=90, stats=30, decisions=30, workers=1)


def upkeep(url: str, ledger: Path) -> None:
    """Make buckets, take them out and throw them away, forget what is old, and sum up the minutes."""
    scene = Scene(url, ledger, uses=("prune",))
    with closing(scene):
        pool = scene.app.pool
        run = Maintenance(scene.app, ME, pool)
        now = datetime.now(UTC)
        for do in (
            # it may not go with its bucket
            lambda: scene.of(State.DEAD),
            lambda: buckets.ensure(pool, "day", now - timedelta(days=20)),
            lambda: buckets.remove(pool, buckets.name_of("day", now - timedelta(days=20)), drop=False),
            lambda: buckets.drop(pool, buckets.name_of("day", now - timedelta(days=20))),
            lambda: buckets.ensure(pool, "day"),
            lambda: buckets.remove(pool, buckets.name_of("day", now)),
            lambda: scene.finish(scene.claim(), OutcomeKind.SUCCEEDED),
            lambda: scene.of(State.SUCCEEDED),
            lambda: rehearse(run, AGES),
            lambda: turned(pool, lambda: tidy(run, AGES)),
            lambda: whose_turn(pool),
            lambda: _execute(url, "update pgflow.stats set bucket = bucket - interval '10 min'"),
            lambda: pool.together(minutes.keep),
            lambda: pool.run(minutes.forget()),
            lambda: pool.together(static.tidy),
            lambda: pool.run(entries.keep(LOCAL, "pause", "queue default", {})),
            lambda: entries.forget(run, 3_600.0),
            lambda: audit.audit(pool, audit.Scope(newest=10)),
        ):
            with scene.step(ValueError):  # for a bucket that was not made
                do()


def turned(pool: Pool, do: Callable[[], object]) -> None:
    with turn(pool, ME.id) as is_mine:
        if is_mine:
            do()


def schedules(url: str, ledger: Path) -> None:
    """Fire schedules, static and dynamic, and change them."""
    scene = Scene(url, ledger, uses=("cron",))
    with closing(scene):
        app = scene.app
        with scene.step():  # the plugins are loaded here, and know the keyword
            app.task(name="tick", queue="clock", schedule=every(hours=1))(_tick)
        firing, known = Firing(app), Schedules(app)
        due = "update pgflow.schedules set next_at = clock_timestamp() - interval '1 s'"
        for do in (
            firing.sync,
            lambda: known.put("x", "tick", every(hours=2)),
            lambda: _execute(url, due),
            firing.look,
            lambda: known.run("x"),
            lambda: known.pause("x", "why"),
            lambda: known.resume("x"),
            known.page,
            lambda: known.remove("x"),
            firing.sync,
        ):
            with scene.step():
                do()


def migrated(url: str, ledger: Path) -> None:
    """Migrate an empty database, with a plugin's migrations."""
    scene = Scene(url, ledger, uses=("cron",))
    with closing(scene), scene.step():
        pool = Pool(url)
        try:
            migrate.migrate(pool, scene.app.migrations)
            migrate.check(pool, scene.app.migrations)
        finally:
            pool.close()


def listening(url: str, ledger: Path) -> None:
    """Hear the doorbell, and probe a line on which nothing is said."""

    async def hear() -> None:
        with anyio.move_on_after(5):
            async with listen.Listener(url) as listener, anyio.create_task_group() as group:
                group.start_soon(ring)
                async for _ in listener:
                    break
                group.cancel_scope.cancel()

    async def ring() -> None:
        await anyio.sleep(0.15)
        _execute(url, "select pg_notify('pgflow', 'default')")

    listen.PROBE_SECONDS = 0.05  # type: ignore[misc]
    scene = Scene(url, ledger)
    with closing(scene), scene.step():
        anyio.run(hear)


def templates(url: str, ledger: Path) -> None:
    """Make a template of a schema that nobody had, a clone of it, and drop both."""
    own = migrate.Migration(1, "own", f"select {os.getpid()}", "scene")
    scene = Scene(url, ledger)
    with closing(scene), scene.step():
        name = databases.template(url, [own])
        databases.drop(url, databases.clone(url, name))
        databases.drop(url, psycopg.conninfo.make_conninfo(url, dbname=name))
        databases.hasten(url)


def forgotten(url: str, ledger: Path) -> None:
    """Forget every job there is."""
    scene = Scene(url, ledger)
    with closing(scene), scene.step():
        scene.app.pool.run(act.reset())


def looks(url: str, ledger: Path) -> None:
    """Look at jobs, queues, workers and letters in every way there is."""
    scene = Scene(url, ledger)
    with closing(scene):
        for state in (State.SUCCEEDED, State.DEAD, State.RETRYING, State.RUNNING, State.QUEUED):
            with scene.step():
                scene.of(state)
        for read in reads(scene.app):
            with scene.step():
                read()
        with scene.step():
            doctor.examine(scene.app.pool)


def _tick() -> None:
    return None


def _execute(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(text)
