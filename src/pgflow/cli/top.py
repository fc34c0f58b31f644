# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow top` shows every queue's last minute, live."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import one_line, plain_table, say, say_items, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table

    from pgflow.store.admin.stats import QueueMinute

    Show = Callable[[list[QueueMinute]], None]

COLUMNS: Final = (
    "queue", "queued", "later", "running", "workers", "jobs/s", "ok", "retried", "mean", "p50", "p95", "p99", "oldest",
)  # fmt: skip
ROOMY: Final = 112
LEFT_OUT: Final = frozenset({"workers", "retried", "mean", "p50"})
"""What a terminal of fewer columns than `ROOMY` has no room for."""
NOTHING: Final = "no queues yet"


def top(
    count: Annotated[int | None, typer.Option(min=1, help="End after so many looks; else at Ctrl-C.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 1.0,
    queue: shared.Queue = None,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a look, each on a line.")] = False,
) -> None:
    """Show each queue's last minute, again and again: what waits, runs, ended, and how long runs took."""
    from pgflow.commands import load
    from pgflow.store.admin import stats

    with load.opened(app, dsn) as house, _shower(as_json=as_json) as show:
        next_at, shown = time.monotonic(), 0
        while count is None or shown < count:
            found = house.pool.together(stats.last_minute)
            show([row for row in found if queue in (None, row.queue)])
            sys.stdout.flush()  # whoever reads from a pipe wants it now
            shown += 1
            if shown != count:
                # a look that took longer than the time between looks is not made up for
                next_at = max(next_at + every, time.monotonic())
                time.sleep(max(0.0, next_at - time.monotonic()))


@contextmanager
def _shower(*, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield say_items
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(auto_refresh=False) as live:
            yield lambda rows: live.update(_drawn(rows, live.console.width), refresh=True)
    else:
        yield lambda rows: say(plain_table(COLUMNS, [_cells(row) for row in rows]) if rows else NOTHING)


def _drawn(rows: list[QueueMinute], width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = [number for number, column in enumerate(COLUMNS) if width >= ROOMY or column not in LEFT_OUT]
    drawn = Table(box=None, pad_edge=False, header_style="bold", caption=None if rows else NOTHING)
    drawn.add_column(COLUMNS[0], no_wrap=True, min_width=12)
    for number in shown[1:]:
        drawn.add_column(COLUMNS[number], justify="right", no_wrap=True)
    for row in rows:
        cells = _cells(row)
        drawn.add_row(*(Text(cells[number]) for number in shown))
    return drawn


def _cells(row: QueueMinute) -> list[str]:
    name = f"{row.queue} (paused)" if row.paused else row.queue
    depth = f"~{row.runnable_queue_depth}" if row.depth_is_estimate else str(row.runnable_queue_depth)
    times = (row.mean_latency_ms, row.p50_latency_ms, row.p95_latency_ms, row.p99_latency_ms, row.oldest_wait_ms)
    counts = (row.scheduled, row.running, row.workers, f"{row.jobs_per_sec:.1f}")
    shares = (_percent(row.success_rate), _percent(row.retry_rate))
    return [one_line(name), depth, *map(str, counts), *shares, *map(_time, times)]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _time(milliseconds: float | None) -> str:
    return seconds(None if milliseconds is None else milliseconds / 1_000)
