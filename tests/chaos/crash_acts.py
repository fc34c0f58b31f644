"""The acts of a life of jobs, which together reach every edge of the store; each is played up to a fault."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from chaos import crash_upkeep as upkeep
from chaos.crash_scene import GHOST, Scene
from pgflow import State, WorkerInfo, hookimpl
from pgflow.model import OutcomeKind
from pgflow.plugins.prune.rounds import Ages
from pgflow.store import claims, settle
from pgflow.store.admin import act
from pgflow.store.enqueues import COPIED_FROM_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pgflow import Claim
    from pgflow.model import Claimed

ORDERS: Final = "create table orders (token text primary key)"
ME: Final = WorkerInfo("scene", "here", 1, "asyncio", (), ())
AGES: Final = Ages(archive=7, drop=14, letters=90, stats=30, decisions=30, workers=1)


class Act(NamedTuple):
    """A part of the life, on a migrated database or an `empty` one.

    Edges of its `own` names are cases in it, wherever else they are; those it `keeps` only in it, since others reach
    them by chance.
    """

    name: str
    play: Callable[[str, Path], None]
    own: frozenset[str] = frozenset()
    keeps: frozenset[str] = frozenset()
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


def bulk(url: str, ledger: Path) -> None:
    """Put in so many at once that they are copied, for now and for later."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("swift", COPIED_FROM_JOBS)
        scene.ask("swift", COPIED_FROM_JOBS, delay=0.05)


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


def succeeding(url: str, ledger: Path) -> None:
    """Work jobs that all just succeed, so that their flushes go the short way."""
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("swift", 3)
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
        scene.ask("swift", COPIED_FROM_JOBS - 1)
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
    """Leave leases to lapse, have them taken back, and run the suspects alone; read back a claim of a lost answer.

    At last acknowledge, too late, what was taken back.
    """
    scene = Scene(url, ledger)
    with closing(scene):
        scene.ask("ok", 3)
        taken: list[Claimed] = []
        with scene.step():
            taken = scene.claim(2)
            if taken:
                scene.app.pool.run(claims.void([job.lease_id for job in taken]))
                again = scene.app.pool.run(claims.recover(GHOST, [job.lease_id for job in taken])).jobs
                scene.finish(again[:1], OutcomeKind.SUCCEEDED, rest=True)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("update pgflow.leases set expires_at = now() - interval '1 s'")
        scene.work(until="select from pgflow.attempts where outcome = 'lost'")
        with scene.step():
            scene.late(taken[1:])


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


ALL: Final = (
    Act("enqueue", enqueue),
    Act("bulk", bulk),
    Act("idempotent", idempotent, frozenset({"keys/enqueue"})),
    Act("joined", joined),
    Act("refused", refused),
    Act("work", work, frozenset({"finish", "claim"})),
    Act("succeeding", succeeding, keeps=frozenset({"succeed"})),
    Act("trio", trio, frozenset({"finish", "claim"})),
    Act("promised", promised),
    Act("strange", strange),
    Act("capped", capped, frozenset({"claim"})),
    Act("held back", held_back),
    Act("lost", lost, frozenset({"reap", "claim"})),
    Act("beating", beating, frozenset({"finish"}), keeps=frozenset({"extend_leases", "standing_leases"})),
    Act("acts", acts, frozenset({"enqueue_one"})),
    Act("upkeep", upkeep.upkeep),
    Act("schedules", upkeep.schedules, frozenset({"joined/enqueue"})),
    Act("listening", upkeep.listening),
    Act("migrated", upkeep.migrated, frozenset({"migrate/own"}), empty=True),
    Act("templates", upkeep.templates, empty=True),
    Act("forgotten", upkeep.forgotten),
    Act("looks", upkeep.looks, keeps=frozenset({"waiting_queues"})),
)
