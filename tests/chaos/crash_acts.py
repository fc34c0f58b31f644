"""The acts of a life of jobs, which together reach every edge of the store; each is played up to a fault."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import psycopg

from chaos.crash_reads import reads
from chaos.crash_scene import Scene, is_of_a_fault
from pgflow import State, WorkerInfo, hookimpl
from pgflow.admin import LOCAL, Maintenance
from pgflow.model import OutcomeKind
from pgflow.plugins.audit import entries
from pgflow.plugins.cron import static
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.spec import every
from pgflow.plugins.metrics import minutes
from pgflow.plugins.prune.rounds import Ages, rehearse, tidy
from pgflow.store import buckets, databases, listen, migrate, settle
from pgflow.store import jobs as sql
from pgflow.store.admin import act, audit, doctor
from pgflow.store.pool import Pool
from pgflow.worker.maintenance import turn, whose_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pgflow import Claim

ORDERS: Final = "create table orders (token text primary key)"
ME: Final = WorkerInfo("scene", "here", 1, "asyncio", (), ())
AGES: Final = Ages(archive=7, drop=14, letters=90, stats=30, decisions=30, workers=1)


class Act(NamedTuple):
    """A part of the life. On an `empty` database nothing is migrated; points of its `own` names are its own cases."""

    name: str
    play: Callable[[str, Path], None]
    own: frozenset[str] = frozenset()
    empty: bool = False


class Capped:
    """A policy: two in flight in one queue, which has no row yet, and 600 a minute."""

    @hookimpl
    def pgflow_before_claim(self, claim: Claim) -> None:
        if claim.queue == "capped":
            claim.max_in_flight, claim.rate, claim.rest_seconds = 2, 600, 0.01


class Held:
    """A policy that lets nothing through for two looks."""

    looks = 2

    @hookimpl
    def pgflow_before_claim(self, claim: Claim) -> None:
        if self.looks > 0:
            self.looks -= 1
            claim.pause("NOT_YET", "not yet", rest_seconds=0.01)


def enqueue(url: str, ledger: Path) -> None:
    """Put jobs in by every door of the store's own."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("ok")
        scene.ask("swift", 3)
        for _ in range(2):
            scene.ask("ok", unique_key="one")
        scene.ask("flaky", delay=0.05)
        scene.keyed(["second", "third"], ["two", "three"])


def idempotent(url: str, ledger: Path) -> None:
    """Put a request's job in, twice, and another whose unique key is taken."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("ok", unique_key="taken")
        for key, unique in (("a", None), ("a", None), ("b", "taken")):
            scene.request(key, unique)


def joined(url: str, ledger: Path) -> None:
    """Put jobs in with a business row, in a caller's transaction; one is rolled back."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("create table if not exists orders (token text primary key)")
    scene = Scene(url, ledger)
    with closing(scene):
        scene.order()
        scene.order(unique_key="order")
        scene.order(rolls_back=True)
        asyncio.run(scene.async_order())


def refused(url: str, ledger: Path) -> None:
    """Be refused by a guardrail, more often than each refusal has a row of its own."""
    scene = Scene(url, ledger, uses=("guardrails",), max_enqueue_per_minute=2)
    with closing(scene):
        for _ in range(14):
            scene.ask("ok")


def work(url: str, ledger: Path) -> None:
    """Work jobs of every kind to their end."""
    scene = Scene(url, ledger)
    with closing(scene):
        for task in ("ok", "swift", "flaky", "snooze", "die", "lone"):
            scene.ask(task)
        scene.ask("swift", delay=0.05)
        scene.ask("ok", expires=0.001)
        scene.work()


def trio(url: str, ledger: Path) -> None:
    """Work on the other event loop, two queues, one of which has nothing."""
    scene = Scene(url, ledger)
    with closing(scene):
        for task in ("swift", "flaky", "snooze", "ok"):
            scene.ask(task)
        scene.work(backend="trio")


def promised(url: str, ledger: Path) -> None:
    """Claim so many at once that a worker promises to keep polling."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("swift", 40)
        scene.work()
        scene.ask("swift", 110)
        scene.work(backend="trio")


def strange(url: str, ledger: Path) -> None:
    """Meet a job whose task nobody here knows, and did not know the last time."""
    scene = Scene(url, ledger, unknown_task_seconds=1)
    with closing(scene):
        ids = scene.ask("unknown", queue="default")
        scene.work(until="select from pgflow.scheduled")
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(
                "update pgflow.jobs set run_at = run_at - interval '1 h', created_at = created_at - interval '1 h'"
                " where id = any (%s::uuid[])",
                [ids],
            )
        with scene.step():
            scene.app.pool.run(settle.hurry(["default"], retries=True, later=True))
        scene.work(until="select from pgflow.attempts where attempt > 1")


def capped(url: str, ledger: Path) -> None:
    """Work a queue within limits."""
    scene = Scene(url, ledger, Capped())
    with closing(scene):
        scene.ask("capped", 5)
        scene.work()


def held_back(url: str, ledger: Path) -> None:
    """Have a policy hold everything back for a while, and operators set limits."""
    scene = Scene(url, ledger, Held(), uses=("policies",))
    with closing(scene):
        scene.ask("ok", 2)
        with scene.step():
            scene.app.pool.run(act.set_limits("default", max_in_flight=3))
        scene.work()


def lost(url: str, ledger: Path) -> None:
    """Leave leases to lapse, have them taken back, and run the suspects alone; read back a claim of a lost answer."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("ok", 3)
        with scene.step():
            taken = scene.claim(2)
            if taken:
                again = scene.app.pool.run(sql.recover("ghost", [job.lease_id for job in taken])).jobs
                scene.finish(again[:1], OutcomeKind.SUCCEEDED, rest=True)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("update pgflow.leases set expires_at = now() - interval '1 s'")
        scene.work(until="select from pgflow.attempts where outcome = 'lost'")


def beating(url: str, ledger: Path) -> None:
    """Beat while jobs run, cancel one of them, and stop with some unstarted."""
    scene = Scene(url, ledger, concurrency=2)
    with closing(scene):
        ids = scene.ask("slow", 2)
        scene.ask("ok", 20)
        with scene.step():
            for job_id in ids[:1]:
                scene.app.cancel(job_id)
        scene.work(until="select from pgflow.leases where expires_at > claimed_at + interval '1.1 s'")


def acts(url: str, ledger: Path) -> None:
    """Act on jobs as operators do, one at a time."""
    scene = Scene(url, ledger)
    with closing(scene):
        app = scene.app
        for do in (
            lambda: scene.cancelled(scene.of(State.QUEUED)),
            lambda: scene.cancelled(scene.of(State.RUNNING)),
            lambda: scene.cancelled(scene.of(State.SUCCEEDED)),
            lambda: scene.retried(scene.of(State.DEAD)),
            lambda: scene.finish(scene.claim(), OutcomeKind.SUCCEEDED),
            lambda: scene.retried(scene.of(State.RETRYING)),
            lambda: scene.finish(scene.claim(), OutcomeKind.SUCCEEDED),
            lambda: scene.replayed(scene.of(State.SUCCEEDED)),
            lambda: scene.finish(scene.claim(), OutcomeKind.SUCCEEDED),
            lambda: app.pool.together(lambda run: act.discard(run, scene.of(State.DEAD))),
            lambda: scene.replayed_dead([scene.of(State.DEAD), scene.of(State.DEAD)]),
            lambda: app.pool.run(act.pause("default", "why")),
            lambda: app.pool.run(act.resume("default")),
            lambda: app.pool.run(act.set_limits("default", max_in_flight=5)),
            lambda: app.pool.run(act.decide("policy", "default", "held", "NOT_YET")),
        ):
            with scene.step():
                do()


def upkeep(url: str, ledger: Path) -> None:
    """Make buckets, take them out and throw them away, forget what is old, and sum up the minutes."""
    scene = Scene(url, ledger, uses=("prune",))
    with closing(scene):
        pool = scene.app.pool
        run = Maintenance(scene.app, ME, pool)
        now = datetime.now(UTC)
        for do in (
            # neither may go with its bucket
            lambda: scene.of(State.DEAD),
            lambda: scene.of(State.QUEUED),
            lambda: buckets.ensure(pool, "day", now - timedelta(days=20)),
            lambda: buckets.remove(pool, buckets.name_of("day", now - timedelta(days=20)), drop=False),
            lambda: buckets.drop(pool, buckets.name_of("day", now - timedelta(days=20))),
            lambda: buckets.ensure(pool, "day"),
            lambda: buckets.remove(pool, buckets.name_of("day", now)),
            lambda: scene.finish(scene.claim(), OutcomeKind.SUCCEEDED),
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
            with scene.step():
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


def listening(url: str, _ledger: Path) -> None:
    """Hear the doorbell, and probe a line on which nothing is said."""

    async def hear() -> None:
        with anyio.move_on_after(5):
            async with listen.Listener(url) as listener:
                with psycopg.connect(url, autocommit=True) as db:
                    probed = anyio.Event()
                    async with anyio.create_task_group() as group:
                        group.start_soon(_ring_later, db, probed)
                        async for _ in listener:
                            break
                        group.cancel_scope.cancel()

    listen.PROBE_SECONDS = 0.05  # type: ignore[misc]
    try:
        anyio.run(hear)
    except Exception as error:
        if not is_of_a_fault(error):
            raise


async def _ring_later(db: Any, _probed: anyio.Event) -> None:
    await anyio.sleep(0.15)
    db.execute("select pg_notify('pgflow', 'default')")


def templates(url: str, _ledger: Path) -> None:
    """Make a template of a schema that nobody had, a clone of it, and drop both."""
    own = migrate.Migration(1, "own", "select 1", f"scene{os.getpid()}")
    try:
        name = databases.template(url, [own])
        databases.drop(url, databases.clone(url, name))
        databases.drop(url, psycopg.conninfo.make_conninfo(url, dbname=name))
        databases.hasten(url)
    except Exception as error:
        if not is_of_a_fault(error):
            raise


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


ALL: Final = (
    Act("enqueue", enqueue),
    Act("idempotent", idempotent, frozenset({"keys/enqueue"})),
    Act("joined", joined),
    Act("refused", refused),
    Act("work", work, frozenset({"finish", "claim"})),
    Act("trio", trio, frozenset({"finish", "claim"})),
    Act("promised", promised),
    Act("strange", strange),
    Act("capped", capped, frozenset({"claim"})),
    Act("held back", held_back),
    Act("lost", lost, frozenset({"reap", "claim"})),
    Act("beating", beating, frozenset({"finish"})),
    Act("acts", acts, frozenset({"enqueue"})),
    Act("upkeep", upkeep),
    Act("schedules", schedules, frozenset({"joined/enqueue"})),
    Act("listening", listening),
    Act("migrated", migrated, frozenset({"migrate/own"}), empty=True),
    Act("templates", templates, empty=True),
    Act("forgotten", forgotten),
    Act("looks", looks),
)
