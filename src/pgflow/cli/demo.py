# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow demo`: a few hundred jobs that succeed, retry, die and are rejected, and what is to be seen of them."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say, say_json

if TYPE_CHECKING:
    from pgflow.app import App
    from pgflow.cli.scene import Counts, Scene

GRACE_SECONDS: Final = 5.0
ADMIN_ADDRESS: Final = "127.0.0.1:3003"
QUICK: Final[dict[str, Any]] = {
    "max_payload_bytes": 262_144,
    "shutdown_grace_seconds": GRACE_SECONDS,
    "poll_interval_ms": 100,
}


def demo(
    jobs: Annotated[int, typer.Option(min=20, max=10_000, help="How many jobs.")] = 300,
    backend: Annotated[shared.Backend, typer.Option(help="The event loop of async tasks.")] = shared.Backend.ASYNCIO,
    serve: Annotated[
        bool, typer.Option("--serve", help="Stay up: a worker, its admin, and a new job each second.")
    ] = False,
    dsn: shared.Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts alone, as one JSON object.")] = False,
) -> None:
    """Show pgflow at work: seed jobs, work them, replay dead ones; on an embedded PostgreSQL where no URL is set."""
    from pgflow.cli.scene import Scene
    from pgflow.commands import load

    began = time.monotonic()
    with load.opened("pgflow.demo:app", dsn, **QUICK) as house:
        scene = Scene(house, backend)
        where = scene.prepare()
        if not as_json:
            say(f"database: {where}")
        scene.seed(jobs)
        scene.work()
        scene.replay()
        counts = scene.count()
        taken = time.monotonic() - began
        if as_json:
            say_json({**counts._asdict(), "seconds": round(taken, 3)})
        else:
            _tell(house, scene, counts, taken)
        if serve:
            _serve(house, backend, quiet=as_json)


def _tell(app: App, scene: Scene, counts: Counts, seconds: float) -> None:
    from pgflow.cli import sheet, story
    from pgflow.store.admin.explain import explain

    say(f"enqueued:  {counts.enqueued:>5}   the replays among them; {scene.rejected} more were rejected as too large")
    say(f"succeeded: {counts.succeeded:>5}")
    say(f"retried:   {counts.retried:>5}   failed at first and were tried again")
    say(f"dead:      {counts.dead:>5}   gave up")
    say(f"replayed:  {counts.replayed:>5}   dead ones, once their cause was gone")
    say(f"seconds:   {seconds:>5.1f}\n")
    say("A job that failed and was tried again (pgflow job ID):\n")
    retried, dead = scene.a_retried, scene.a_dead
    say("\n".join(f"  {line.plain}".rstrip() for line in sheet.lines(story.read(app, retried), brief=True)))
    say("\nA job that gave up, explained (pgflow explain ID):\n")
    say(f"  {app.pool.together(lambda run: explain(run, dead)).paragraph}\n")
    say("Look around:")
    for line in (
        f"pgflow job {dead}", "pgflow jobs --state dead", "pgflow dlq --groups", "pgflow decisions", "pgflow queues",
        "pgflow replay --dead --queue demo --yes && pgflow worker -A pgflow.demo:app --burst", "pgflow --help",
    ):  # fmt: skip
        say(f"  {line.replace('pgflow ', f'{_own_name()} ')}")


def _own_name() -> str:
    # in a virtual environment that is not active, the command is not found by its bare name
    found, own = shutil.which("pgflow"), sys.argv[0]
    is_found = found is not None and Path(found).resolve() == Path(own).resolve()
    return "pgflow" if is_found or not own.endswith("pgflow") else own


def _serve(app: App, backend: shared.Backend, *, quiet: bool) -> None:
    from pgflow.cli import running, scene
    from pgflow.cli.guard import Guard
    from pgflow.demo import QUEUE

    guard = Guard(GRACE_SECONDS)
    if app.settings.admin_addr is None:
        app.configure(admin_addr=ADMIN_ADDRESS)
    if not quiet:
        say("\nA worker runs, and a job comes each second, until Ctrl-C. In another terminal: pgflow top")
        say(f"admin:     http://{app.settings.admin_addr}/")
    sys.stdout.flush()
    running.run_async(running.work, app.worker(queues=[QUEUE]), guard, scene.trickle, backend=backend)
    app.close()
    guard.leave(0)
