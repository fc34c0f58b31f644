"""`pgflow job`: all of one job as readable as its page, in a pipe, in colour, and where the terminal is narrow."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

import moves
from pgflow import App
from pgflow.cli import ink
from pgflow.cli.lifeline import life
from pgflow.cli.sheet import lines
from pgflow.cli.story import read
from pgflow.model import OutcomeKind
from pgflow.views import TimelineEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.store.pool import Pool

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/.venv/lib/python3.12/site-packages/pgflow/worker/runners.py", line 118, in _run
    return await call(*args, **kwargs)
  File "/srv/shop/receipts.py", line 42, in send_receipt
    charge(order, token="password=hunter2")
           ^^^^^^^^
  File "/srv/.venv/lib/python3.12/site-packages/money.py", line 3, in charge
    raise TypeError
TypeError: no price"""
CALL = {"args": '[{"id": 4711, "lines": []}]', "kwargs": '{"to": "ada", "api_token": "sk-1"}'}


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """An app on the test's database."""
    made = App("told", database_url=migrated_url)
    yield made
    made.close()


@pytest.fixture
def dead(pool: Pool) -> str:
    """A job that is dead of an error with a traceback."""
    [job_id] = moves.put(pool, 1, task="shop.send_receipt", **CALL)
    [job] = moves.claim(pool, 1)
    said: dict[str, Any] = {"error_code": "UNKNOWN", "error_message": "TypeError: no price", "traceback": TRACEBACK}
    moves.finish(pool, [moves.ended(job, OutcomeKind.DEAD, reason_code="NON_RETRYABLE", **said)])
    return job_id


def shown(app: App, job_id: str, width: int | None = None) -> list[str]:
    return [line.plain for line in lines(read(app, job_id), width)]


def test_it_says_why_then_where_it_fails_and_ends_with_what_to_do(app: App, dead: str) -> None:
    said = shown(app, dead)
    assert said[0] == "shop.send_receipt  dead  NON_RETRYABLE"
    assert said[1] == f"job {dead}"
    assert said[3].startswith("This job is dead")
    place = said.index("fails at /srv/shop/receipts.py:42 in send_receipt")
    assert said[place + 1].startswith("  > charge(order")
    assert any(line.startswith("what to do: ") for line in said)
    assert said[-3] == "next"
    assert said[-2].startswith(f"  pgflow replay {dead}")
    assert said[-1].startswith(f"  pgflow retry {dead}")
    assert shown(app, dead, 60)[-2:] == [f"  pgflow retry {dead}", "    try this very job once more"]


def test_the_failing_line_stands_out_and_frames_of_libraries_are_counted(app: App, dead: str) -> None:
    said = shown(app, dead)
    place = said.index("last traceback  of attempt 1")
    assert said[place + 1 : place + 7] == [
        "  Traceback (most recent call last):",
        "    … 1 library frame",
        '  > File "/srv/shop/receipts.py", line 42, in send_receipt',
        '  >   charge(order, token="***")',
        "    … 1 library frame",
        "  TypeError: no price",
    ]


def test_arguments_are_a_tree_and_secrets_are_masked(app: App, dead: str) -> None:
    text = "\n".join(shown(app, dead))
    assert '  args:\n    0:\n      id: 4711\n      lines: []\n  kwargs:\n    to: "ada"\n    api_token: ***\n' in text
    assert "hunter2" not in text
    assert "sk-1" not in text


def test_its_life_is_a_bar_to_scale_with_each_step_below(app: App, dead: str) -> None:
    said = shown(app, dead, 60)
    place = next(n for n, line in enumerate(said) if line.startswith("life  "))
    bar = said[place + 1]
    assert len(bar) == 60
    assert bar.endswith("✗")
    assert set(bar.strip()) == {"░", "▓", "✗"}
    assert said[place + 2].split()[0] == "0"
    assert [line.split()[1] for line in said[place + 3 : place + 6]] == ["queued", "failed", "dead"]


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_it_fits_the_terminal_but_for_commands_to_be_copied(app: App, dead: str, width: int) -> None:
    for line in shown(app, dead, width):
        assert len(line) <= width or dead in line


def test_relatives_are_shown_below_the_one_they_come_from(app: App, dead: str) -> None:
    new = app.replay(dead).id
    said = shown(app, dead)
    place = said.index("lineage (2)")
    assert "this job  the first" in said[place + 1]
    assert said[place + 2].startswith(f"    queued    {new}  replay")
    assert f"  pgflow cancel {new}  call it off" in shown(app, new)


def test_a_job_that_has_never_run_says_so(app: App, pool: Pool) -> None:
    [job_id] = moves.put(pool, 1, delay=3_600.0)
    said = shown(app, job_id)
    assert "no attempts yet" in said
    assert any(line.startswith(f"  pgflow retry {job_id}") for line in said)
    assert said[said.index("arguments") + 1] == "  none"


def test_of_many_steps_the_first_and_the_last_are_listed() -> None:
    at = [NOW + timedelta(seconds=n) for n in range(100)]
    events = [TimelineEvent(at[0], "enqueued", {})]
    for n in range(1, 40):
        events += [TimelineEvent(at[2 * n], "started", {"attempt_no": n}), TimelineEvent(at[2 * n + 1], "failed", {})]
    said = [line.plain for line in life(events, 80)]
    assert said[3].split()[1] == "queued"
    assert "    … 63 more steps" in said
    assert said[-1].split()[1] == "retrying"
    assert len(said) == 3 + 4 + 1 + 12


def test_colour_is_for_terminals_that_want_it(app: App, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(lines(read(app, dead)))

    def printed(**options: Any) -> str:
        file = io.StringIO()
        ink.printed(told, Console(file=file, highlight=False, **options))
        return file.getvalue()

    assert "\x1b[" not in printed()
    assert "\x1b[1;31m" in printed(force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert ";31m" not in printed(force_terminal=True, color_system="standard")
    assert "[31m" not in printed(force_terminal=True, color_system="standard")


def test_in_brief_it_is_the_life_and_the_attempts(app: App, dead: str) -> None:
    said = [line.plain for line in lines(read(app, dead), brief=True)]
    assert "attempts (1)" in said
    assert not any(line.startswith(("last traceback", "arguments", "next")) for line in said)
