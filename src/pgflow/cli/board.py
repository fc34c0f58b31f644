"""Draws what `pgflow top` has seen: alarms, queues, rates, workers and the last errors, to fit the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.cli import ink
from pgflow.cli.grid import Column, Section, grid, sparks, stacked
from pgflow.commands.output import seconds
from pgflow.telling.alarms import command
from pgflow.telling.words import ago, first_line, number, plural, rate, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from pgflow.cli.seeing import Outage, Seen
    from pgflow.store.admin.figures import Point, QueueMinute
    from pgflow.telling.alarms import Alarm
    from pgflow.telling.troubles import Trouble
    from pgflow.views import DecisionRow, QueueRow, WorkerRow

QUEUES: Final = (
    Column("queue"), Column("queued", 0), Column("later", 6), Column("running", 1), Column("workers", 5),
    Column("jobs/s", 2), Column("ok", 3), Column("retried", 9), Column("mean", 10), Column("p50", 11),
    Column("p95", 4), Column("p99", 8), Column("oldest", 1),
)  # fmt: skip
WORKERS: Final = (
    Column("worker"), Column("state", 0, right=False), Column("beat", 1), Column("slots", 0), Column("leased", 4),
    Column("up", 5), Column("host", 6, right=False), Column("queues", 7, right=False),
)  # fmt: skip
SPARK_WIDEST: Final = 90
BESIDE_SPARK: Final = 34
"""The columns that a rate's name and numbers take."""
SPARK_IN_PIPE: Final = 60
TO: Final = "→ "
MOST: Final = 2
"""The lines that one thing said may take where the terminal is narrow."""


def board(seen: Seen, width: int | None = None, height: int | None = None) -> list[Text]:
    """Draw it to fit; without a height all of it, without a width lines as long as they are."""
    sections = [_alarms(seen, width), _queues(seen, width), _rates(seen, width), _workers(seen, width)]
    lines = stacked([Section(_title(seen, width)), *sections, _errors(seen, width)], height)
    return [ink.cut(one, width) for one in lines]


def outage(found: Outage, now: float, width: int | None) -> list[Text]:
    """Say that the database does not answer; it is tried again without anybody's doing."""
    what = "the database cannot be reached" if found.away else "the database refuses to answer"
    said = ink.line((f"! {what}", ink.BAD), f" for {span(now - found.since)}; trying again")
    return [ink.cut(said, width), *ink.wrapped(ink.line((ink.safe(found.why), ink.QUIET)), width, "  ")[:3]]


def _title(seen: Seen, width: int | None) -> list[Text]:
    waiting, running, dead = (number(seen.counts[state]) for state in ("queued", "running", "dead"))
    later = number(seen.counts["scheduled"] + seen.counts["retrying"])
    counted = f"{waiting} queued, {running} running, {later} later, {dead} dead"
    return ink.wrapped(ink.line(("pgflow", ink.HEADING), f"  {seen.at:%H:%M:%S} UTC  {counted}"), width)[:MOST]


def _alarms(seen: Seen, width: int | None) -> Section:
    if not seen.alarms:
        alive = plural(sum(one.alive for one in seen.workers), "live worker")
        return Section([ink.cut(ink.line(("no alarms", "green"), f", {alive}"), width)])
    title = ink.heading(f"alarms ({len(seen.alarms)})")
    return Section([title], [_alarm(one, width) for one in seen.alarms])


def _alarm(one: Alarm, width: int | None) -> list[Text]:
    mark, style = ("!!" if one.severity == "critical" else "! "), ink.style_of(one.severity)
    said = ink.line((f"{mark} {ink.safe(one.title)}", style), f"  {ink.safe(one.detail)}")
    act = command(one)
    remedy = _to(act, width, "   ") if act else ink.wrapped(ink.line(ink.safe(one.remedy)), width, "   ")[:MOST]
    return [*ink.wrapped(said, width, "", "   ")[:MOST], *remedy]


def _queues(seen: Seen, width: int | None) -> Section:
    if not seen.minutes:
        return Section([ink.line("no queues yet")])
    # those where something is going on come first, and none changes places at each look
    shown = sorted(seen.minutes, key=lambda one: (not (_depth(one) or one.running or one.paused), one.queue))
    head, *rows = grid(QUEUES, [_queue(one) for one in shown], width)
    blocks = [
        [row, *_notes(seen.queues.get(one.queue), seen.held.get(one.queue), width)]
        for one, row in zip(shown, rows, strict=True)
    ]
    return Section([head], blocks, rank=1)


def _depth(one: QueueMinute) -> int:
    return one.runnable_queue_depth


def _queue(one: QueueMinute) -> list[Text]:
    name = f"{one.queue} (paused)" if one.paused else one.queue
    depth = f"~{_depth(one)}" if one.depth_is_estimate else str(_depth(one))
    times = (one.mean_latency_ms, one.p50_latency_ms, one.p95_latency_ms, one.p99_latency_ms, one.oldest_wait_ms)
    counts = (one.scheduled, one.running, one.workers, f"{one.jobs_per_sec:.1f}")
    shares = (_percent(one.success_rate), _percent(one.retry_rate))
    cells = [ink.line((ink.safe(name), ink.style_of("paused") if one.paused else ""))]
    return cells + [ink.line(text) for text in (depth, *map(str, counts), *shares, *map(_time, times))]


def _notes(row: QueueRow | None, held: DecisionRow | None, width: int | None) -> list[Text]:
    said = []
    if row is not None and row.paused:
        why = f": {row.paused_reason}" if row.paused_reason else ", no reason given"
        # where jobs wait there is an alarm, and the command stands there
        act = "" if row.depth else f"  {TO}pgflow queues resume {row.name}"
        said.append(f"paused {ago(row.paused_at)}{why}{act}")
    limits = [text for text in (_in_flight(row), _a_minute(row)) if text]
    if held is not None and not (row and row.paused):
        times = f" {held.count} times" if held.count > 1 else ""
        limits.append(f"held back{times} in the last minute, {held.reason_code}")
    if limits:
        said.append(f"limited: {'; '.join(limits)}")
    told = [ink.line((ink.safe(one), ink.style_of("paused"))) for one in said]
    return [line for one in told for line in ink.wrapped(one, width, "  ", "    ")[:MOST]]


def _in_flight(row: QueueRow | None) -> str:
    if row is None or row.max_in_flight is None:
        return ""
    taken = "all taken" if row.running >= row.max_in_flight else f"{row.running} taken"
    return f"{row.max_in_flight} in flight at most, {taken}"


def _a_minute(row: QueueRow | None) -> str:
    most = row.max_attempts_per_minute if row else None
    return f"{most} attempts a minute at most" if most is not None else ""


def _rates(seen: Seen, width: int | None) -> Section:
    # the step under way would always look like a fall
    points = seen.series.points[:-1]
    room = SPARK_IN_PIPE if width is None else min(width - BESIDE_SPARK, SPARK_WIDEST, len(points))
    minutes = span(max(room, 1) * seen.series.step_seconds)
    lines = [
        _rate("jobs/s", [one.jobs_per_sec for one in points], room, "green", rate),
        _rate("failed/s", [_failed(one) for one in points], room, "red", rate),
        _rate("wait p95", [one.wait_p95_ms for one in points], room, "yellow", _time),
        _rate("run p95", [one.run_p95_ms for one in points], room, "cyan", _time),
    ]
    return Section(
        [ink.heading("rates", f"over {minutes}: now, and at most")],
        [[ink.cut(one, width)] for one in lines],
        rank=4,
        whole=True,
    )


def _rate(name: str, values: Sequence[float | None], room: int, style: str, written: Any) -> Text:
    known = [value for value in values[-max(room, 1) :] if value is not None]
    now = written(values[-1]) if values and values[-1] is not None else "-"
    most = written(max(known)) if known else "-"
    return ink.line(f"  {name:<9}", (sparks(values, room), style), f" {now:>9} {most:>10}")


def _failed(one: Point) -> float:
    return one.failed / one.seconds if one.seconds else 0.0


def _workers(seen: Seen, width: int | None) -> Section:
    if not seen.workers:
        return Section([ink.line("no workers: start one with ", ("pgflow worker -A module:app", ink.COMMAND))])
    shown = sorted(seen.workers, key=lambda one: (not one.alive, one.id))
    head, *rows = grid(WORKERS, [_worker(one, seen) for one in shown], width)
    return Section(
        [head], [[row, *_longest(one, width)] for one, row in zip(shown, rows, strict=True)], rank=3
    )  # fmt: skip


def _worker(one: WorkerRow, seen: Seen) -> list[Text]:
    state = "stopping" if one.stopping else "alive" if one.alive else "silent"
    style = "" if one.alive else ink.style_of("silent")
    beat = f"{span(one.beat_age // 1)} ago" if one.beat_age >= 1 else "now"
    up = span((seen.at - one.started_at).total_seconds() // 1)
    texts = (f"{one.running}/{one.slots}", str(one.leased), up, one.host, ",".join(one.queues))
    return [
        ink.line((ink.safe(one.id), style)),
        ink.line((state, style)),
        ink.line(beat),
        *(ink.line(ink.safe(text)) for text in texts),
    ]


def _longest(one: WorkerRow, width: int | None) -> list[Text]:
    running = one.long_running if isinstance(one.long_running, list) else []
    if not running or not one.alive:
        return []
    first = running[0]
    more = f", and {len(running) - 1} more" if len(running) > 1 else ""
    said = f"  long: {first['task']} for {span(first['seconds'])}{more}  {TO}pgflow job {first['job_id']}"
    return ink.wrapped(ink.line((ink.safe(said), "yellow")), width, "", "    ")[:MOST]


def _errors(seen: Seen, width: int | None) -> Section:
    if not seen.troubles:
        return Section([ink.line(("no errors", "green"), ": nothing is being retried, and no dead letter is open")])
    return Section([ink.heading("last errors")], [_error(one, width) for one in seen.troubles], rank=2)


def _error(one: Trouble, width: int | None) -> list[Text]:
    state = "retrying" if one.retrying else "dead"
    code = one.error_code or one.reason_code or "no code"
    trend = f"  {sparks(one.deaths, len(one.deaths))}" if one.deaths else ""
    first = ink.line(
        f"  {plural(one.count, 'job')} ", (f"{state} {ink.safe(code)}", ink.style_of(state)), f"  {ink.safe(one.task)}",
        (f"  {ago(one.last_at)}{trend}", ink.QUIET),
    )  # fmt: skip
    message = ink.line(f"    {ink.safe(first_line(one.message))}")
    shown = [first, message] if one.message else [first]
    return [*(ink.cut(text, width) for text in shown), *_to(f"pgflow job {one.job_id}", width, "    ")]


def _to(act: str, width: int | None, before: str) -> list[Text]:
    # it is to be copied, and never cut
    return ink.wrapped(ink.line(TO, (act, ink.COMMAND)), width, before)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _time(milliseconds: float | None) -> str:
    return seconds(None if milliseconds is None else milliseconds / 1_000)
