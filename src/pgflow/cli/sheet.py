"""All of one job for a terminal, in the order of the admin's page: why, where it failed, its life, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from pgflow.cli import ink
from pgflow.cli.lifeline import life
from pgflow.cli.unfolded import branches, trace
from pgflow.codes import suggested_action
from pgflow.commands.output import short
from pgflow.model import OutcomeKind, State
from pgflow.redact import redacted_text
from pgflow.telling.steps import next_steps
from pgflow.telling.traces import failing
from pgflow.telling.trees import call, tree
from pgflow.telling.words import ago, clock, first_line, short_clock, span, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pgflow.model import Attempt, JobRow
    from pgflow.store.admin.lineage import Lineage
    from pgflow.views import Explanation, Timeline

    Fact = tuple[str, str]

RUNS_SHOWN: Final = 10
FAMILY_SHOWN: Final = 20
MOST_DEPTH: Final = 6


@dataclass(frozen=True, slots=True)
class Story:
    """What is on record about a job, its arguments and headers masked."""

    told: Timeline
    explained: Explanation
    family: Lineage
    runs: list[Attempt]

    @property
    def worst(self) -> Attempt | None:
        """The last run that failed."""
        return next((run for run in reversed(self.runs) if run.traceback or run.error_message), None)


def lines(story: Story, width: int | None = None, *, brief: bool = False) -> Iterator[Text]:
    """Give a job's lines for a terminal of a width, or for a pipe; `brief` is without traceback, arguments, family."""
    row = story.told.job
    yield from ink.wrapped(ink.line(
        (ink.safe(row.task), "bold"), "  ", (str(row.state), ink.style_of(row.state)),
        (f"  {row.reason_code}" if row.reason_code else "", ink.QUIET),
    ), width)  # fmt: skip
    yield ink.line(("job ", ink.QUIET), row.id)
    if not brief:
        yield from _between(_why(story, width))
    yield from _between(life(story.told.events, width))
    yield from _between(_attempts(story.runs, width))
    if brief:
        return
    worst = story.worst
    if worst is not None and worst.traceback:
        yield from _between(trace(redacted_text(worst.traceback), worst.attempt, width))
    yield from _between(branches("arguments", tree(call(row.args, row.kwargs)), width, empty="none"))
    if row.headers:
        yield from _between(branches("headers", tree(row.headers), width))
    yield from _between(_facts(row, width))
    if len(story.family.jobs) > 1:
        yield from _between(_family(story.family, row.id, width))
    yield from _between(_events(story, width))
    yield from _between(_next(row, width))


def _between(section: Iterable[Text]) -> Iterator[Text]:
    yield Text()
    yield from section


def _why(story: Story, width: int | None) -> Iterator[Text]:
    row, paragraph = story.told.job, redacted_text(story.explained.paragraph)
    said = [(ink.safe(text), "bold" if is_code else "") for text, is_code in spoken(paragraph, row.id, row.task)]
    yield from ink.wrapped(ink.line(*said), width)
    worst = story.worst
    frame = failing(redacted_text(worst.traceback)) if worst is not None and worst.traceback else None
    if frame is not None:
        words = "fails at" if row.state in (State.DEAD, State.RETRYING) else "failed at"
        where = f"{frame.file}:{frame.line}{f' in {frame.name}' if frame.name else ''}"
        yield Text()
        yield from ink.wrapped(ink.line((f"{words} ", ink.QUIET), (ink.safe(where), "bold")), width)
        if frame.code:
            yield from ink.wrapped(ink.line((ink.safe(frame.code[0].strip()), ink.BAD)), width, "  > ")
    advice = story.explained.parts.get("suggested_action")
    if advice:
        yield Text()
        yield from ink.wrapped(ink.line(("what to do: ", ink.QUIET), ink.safe(advice)), width)


def _attempts(runs: list[Attempt], width: int | None) -> Iterator[Text]:
    yield ink.heading(f"attempts ({len(runs)})" if runs else "no attempts yet")
    latest = runs[: -RUNS_SHOWN - 1 : -1]
    # an error that several runs share in a row is written out once
    before: tuple[str | None, str | None] = None, None
    for run in latest:
        took = span((run.finished_at - run.started_at).total_seconds()) if run.started_at else "not started"
        on = f" on {run.worker_id}" if run.worker_id else ""
        outcome = (f"{run.outcome:<9}", ink.style_of(run.outcome))
        more = (f"  {ago(run.finished_at)}{ink.safe(on)}", ink.QUIET)
        yield from ink.wrapped(ink.line(outcome, f" {took:>8}", more), width, f"  #{run.attempt} ", "     ")
        error = run.error_code, run.error_message
        if any(error):
            yield from _error(run, width, again=error == before)
        before = error
    if len(runs) > len(latest):
        yield ink.line((f"  … {len(runs) - len(latest)} earlier ones: --json shows all", ink.QUIET))


def _error(run: Attempt, width: int | None, *, again: bool) -> Iterator[Text]:
    if again:
        yield ink.line(("     the same error", ink.QUIET))
        return
    message = first_line(redacted_text(run.error_message or ""), 1_000)
    error = ": ".join(part for part in (run.error_code, message) if part)
    style = "" if run.outcome is OutcomeKind.SUCCEEDED else "red"
    yield from ink.wrapped(ink.line((ink.safe(error), style)), width, "     ")
    if (advice := suggested_action(run.error_code)) and run.outcome is not OutcomeKind.SUCCEEDED:
        yield from ink.wrapped(ink.line((advice, ink.QUIET)), width, "     ")


def _facts(row: JobRow, width: int | None) -> Iterator[Text]:
    yield ink.heading("as it was asked for")
    known = [(name, value) for name, value in _asked(row) if value]
    most = max(len(name) for name, _ in known)
    for name, value in known:
        # a label on every line, so that a grep finds its value beside it
        yield from ink.wrapped(ink.line(ink.safe(value)), width, f"  {name:<{most}}  ")


def _asked(row: JobRow) -> Iterator[Fact]:
    yield "queue", row.queue
    yield "priority", str(row.priority)
    yield "failures", f"{row.spent} of {row.max_attempts} allowed"
    yield "timeout", span(row.timeout) if row.timeout else ""
    yield "created", _moment(row.created_at)
    yield "to run at", _moment(row.run_at)
    yield "next run", _moment(row.next_run_at)
    yield "expires", _moment(row.expires_at)
    yield "ended", _moment(row.finished_at)
    yield "worker", row.worker_id or ""
    yield "unique key", row.unique_key or ""
    yield "dataset", row.dataset


def _family(family: Lineage, job_id: str, width: int | None) -> Iterator[Text]:
    yield ink.heading(f"lineage ({len(family.jobs)}{'' if family.complete else ' of over 1,000'})")
    depths: dict[str, int] = {}
    for place, row in enumerate(family.jobs):
        of = row.replay_of or row.parent_id
        depths[row.id] = depth = depths.get(of, 0) + 1 if of else 0
        if place >= FAMILY_SHOWN and row.id != job_id:
            continue
        relation = "replay" if row.replay_of else "child" if row.parent_id else "the first"
        who = ("this job", "bold") if row.id == job_id else (row.id, "")
        state = (f"{row.state:<9}", ink.style_of(row.state))
        shown = ink.line(state, " ", who, (f"  {relation}, {ago(row.created_at)}", ink.QUIET))
        yield from ink.wrapped(shown, width, "  " * (1 + min(depth, MOST_DEPTH)))
    if len(family.jobs) > FAMILY_SHOWN:
        yield ink.line((f"  … {len(family.jobs) - FAMILY_SHOWN} more: in the admin", ink.QUIET))


def _events(story: Story, width: int | None) -> Iterator[Text]:
    yield ink.heading(f"events ({len(story.told.events)})", "UTC")
    for event in story.told.events:
        shown = ink.line(
            (f"{short_clock(event.at)} ", ink.QUIET), (event.event, ink.style_of(event.event)),
            (f" {_details(event.details)}", ink.QUIET),
        )  # fmt: skip
        yield from ink.wrapped(shown, width, "  ", "    ")


def _next(row: JobRow, width: int | None) -> Iterator[Text]:
    yield ink.heading("next")
    steps = list(next_steps(row))
    most = max(len(command) for command, _ in steps)
    has_room = width is None or max(most + len(words) for _, words in steps) + 4 <= width
    for command, words in steps:
        # a command is never broken: it is to be copied
        if has_room:
            yield ink.line("  ", (f"{command:<{most}}", ink.COMMAND), (f"  {words}", ink.QUIET))
        else:
            yield ink.line("  ", (command, ink.COMMAND))
            yield from ink.wrapped(ink.line((words, ink.QUIET)), width, "    ")


def _details(details: Any) -> str:
    shown = {name: short_clock(value) if isinstance(value, datetime) else value for name, value in details.items()}
    return " ".join(f"{name}={short(ink.safe(value), 80)}" for name, value in shown.items() if value is not None)


def _moment(moment: datetime | None) -> str:
    return f"{clock(moment)} ({ago(moment)})" if moment else ""
