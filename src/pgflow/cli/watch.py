# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow watch` shows the store's pulse, and `pgflow seed` gives it something to do."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say, say_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgflow.store.admin import Run

    Ends = Mapping[datetime, tuple[int, int]]

SEEDED_AT_ONCE: Final = 2_000
HEAD: Final = f"{'queued':>8} {'later':>8} {'running':>8} {'done/s':>8} {'failed/s':>8} {'dead':>8}"
HEAD_EACH: Final = 20
WINDOW_SECONDS: Final = 60
MOST_SECONDS: Final = 14_400
NONE: Final = (0, 0)


def watch(
    count: Annotated[int | None, typer.Option(min=1, help="End after so many lines; else at Ctrl-C.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between lines.")] = 1.0,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Print a line a second: what waits, what runs, what ended, how many are dead."""
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        window = _window(every)
        _, before = house.pool.together(lambda run: _look(run, window))
        seen_at = next_at = time.monotonic()
        shown = 0
        while count is None or shown < count:
            next_at += every
            time.sleep(max(0.0, next_at - time.monotonic()))
            counts, ends = house.pool.together(lambda run: _look(run, window))
            now = time.monotonic()
            done, failed = _since(before, ends)
            rates = {
                "done_per_sec": round(done / (now - seen_at), 1),
                "failed_per_sec": round(failed / (now - seen_at), 1),
            }
            _show({**counts, **rates}, as_json=as_json, head=shown % HEAD_EACH == 0)
            sys.stdout.flush()  # whoever reads from a pipe wants it now
            seen_at, before, shown = now, ends, shown + 1


def seed(
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="How many jobs.", show_default=False)],
    queue: Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="The queue; else `demo`.")] = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Enqueue N jobs of the demo's in bulk, to be worked by `pgflow worker -A pgflow.demo:app`."""
    from pgflow import demo
    from pgflow.cli.progress import progress
    from pgflow.commands import load

    with load.opened("pgflow.demo:app", dsn) as house, progress("enqueueing", count) as show:
        task = demo.greet.options(queue=queue) if queue else demo.greet.options()
        house.pool.clock_offset()
        began = time.monotonic()
        for first in range(0, count, SEEDED_AT_ONCE):
            beyond = min(first + SEEDED_AT_ONCE, count)
            task.enqueue_many([((f"customer {n}",), {}) for n in range(first, beyond)])
            show(beyond)
        taken = time.monotonic() - began
    if as_json:
        say_json({"enqueued": count, "seconds": round(taken, 3), "per_sec": round(count / taken, 1)})
    else:
        say(f"enqueued {count} jobs in {taken:.2f} s, {count / taken:,.0f} a second")


def _window(every: float) -> int:
    # the time between two looks, however late one is, and the ten seconds that each of them falls into
    return min(WINDOW_SECONDS + 2 * math.ceil(every / 10) * 10, MOST_SECONDS)


def _look(run: Run, window: int) -> tuple[dict[str, int], Ends]:
    from pgflow.store.admin import look, stats

    points = run(stats.series(window, stats.BUCKET_SECONDS)).points
    return run(look.counts()), {point.at: (point.jobs, point.failed) for point in points}


def _since(before: Ends, now: Ends) -> tuple[int, int]:
    # bucket by bucket, so that what leaves the window is no loss
    grown = [(jobs - before.get(at, NONE)[0], failed - before.get(at, NONE)[1]) for at, (jobs, failed) in now.items()]
    return sum(jobs for jobs, _ in grown), sum(failed for _, failed in grown)


def _show(seen: dict[str, float], *, as_json: bool, head: bool) -> None:
    if as_json:
        say_json(seen)
        return
    if head:
        say(HEAD)
    later = seen["scheduled"] + seen["retrying"]
    numbers = (seen["queued"], later, seen["running"], seen["done_per_sec"], seen["failed_per_sec"], seen["dead"])
    say(" ".join(f"{number:>8}" for number in numbers))
