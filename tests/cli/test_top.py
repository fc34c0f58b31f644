"""`pgflow top`: what goes on, for people, pipes and programs, in terminals of any size, and through an outage."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, cast

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from moves import claim, dead, ended, finish, put
from pgflow import App
from pgflow.cli.board import QUEUES, board
from pgflow.cli.grid import Column, Section, grid, sparks, stacked
from pgflow.cli.live import drawn
from pgflow.cli.seeing import Looker, Watch
from pgflow.cli.top import top
from pgflow.errors import DatabaseUnavailableError
from pgflow.model import OutcomeKind
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.cli.seeing import Seen
    from pgflow.store.pool import Pool


@pytest.fixture
def database(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command use the test's database."""
    monkeypatch.setenv("PGFLOW_DATABASE_URL", migrated_url)
    monkeypatch.setenv("PGFLOW_DATASET_BUCKET", "none")


@pytest.fixture
def looker(migrated_url: str) -> Iterator[Looker]:
    """One who looks at the test's database."""
    app = App("looked-at", database_url=migrated_url)
    yield Looker(lambda: app.reads)
    app.close()


def run(*words: str) -> list[str]:
    """Run the command; gives its lines."""
    app = typer.Typer()
    app.command()(top)
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


@pytest.mark.usefixtures("database")
def test_each_queue_has_a_row_with_its_last_minute_and_a_pipe_is_given_one_look(pool: Pool) -> None:
    put(pool, 5)
    put(pool, 1, queue="mail")
    jobs = claim(pool, 4)
    finish(pool, [*map(ended, jobs[:3]), dead(jobs[3])])
    lines = run()
    place = next(n for n, line in enumerate(lines) if line.startswith("queue "))
    head, first, second = lines[place : place + 3]
    assert head.split() == [column.title for column in QUEUES]
    cells = first.split()
    assert cells[:5] == ["default", "1", "0", "0", "0"]
    assert cells[6:8] == ["75.0%", "0.0%"]
    assert second.split()[:2] == ["mail", "1"]
    assert not any("\x1b" in line for line in lines)


@pytest.mark.usefixtures("database")
def test_programs_get_a_document_a_look(pool: Pool) -> None:
    put(pool, 2)
    put(pool, 1, queue="mail")
    lines = [json.loads(line) for line in run("--count", "2", "--interval", "0.1", "--json", "--queue", "mail")]
    assert [[row["queue"] for row in line["items"]] for line in lines] == [["mail"], ["mail"]]
    assert lines[0]["items"][0]["runnable_queue_depth"] == 1
    assert [(one["code"], one["command"]) for one in lines[0]["alarms"]] == [("NO_WORKER", "pgflow worker -Q mail")]
    assert {"at", "workers", "rates", "counts", "errors"} < set(lines[0])


@pytest.mark.usefixtures("database")
def test_a_database_without_a_queue_says_so() -> None:
    lines = run("--once")
    assert "no queues yet" in lines
    assert any(line.startswith("no workers: start one") for line in lines)
    assert json.loads(run("--json")[0])["items"] == []


def test_what_holds_a_queue_back_is_said_and_how_to_let_it_go(pool: Pool, looker: Looker) -> None:
    put(pool, 1, queue="mail")
    pool.run(act.pause("mail", "the mail server moves"))
    pool.run(act.set_limits("media", max_in_flight=5, max_attempts_per_minute=100))
    text = "\n".join(plain(board(looker.look())))
    assert "mail (paused)" in text
    assert "the mail server moves" in text
    assert "→ pgflow queues resume mail" in text
    assert "limited: 5 in flight at most, 0 taken; 100 attempts a minute at most" in text


def test_errors_are_counted_together_and_masked(pool: Pool, looker: Looker) -> None:
    put(pool, 2)
    jobs = claim(pool, 2)
    said = {"reason_code": "NON_RETRYABLE", "error_code": "BAD"}
    finish(
        pool,
        [
            ended(job, OutcomeKind.DEAD, **said, error_message=f"order {n}: password=hunter2")
            for n, job in enumerate(jobs)
        ],
    )
    text = "\n".join(plain(board(looker.look())))
    assert "2 jobs dead BAD" in text
    assert "hunter2" not in text
    assert any(f"→ pgflow job {job.job_id}" in text for job in jobs)


def test_it_fits_the_terminal(pool: Pool, looker: Looker) -> None:
    for n in range(8):
        put(pool, 1, queue=f"a-queue-with-a-long-name-{n}")
    seen = looker.look()
    for width, height in product((8, 20, 40, 80, 200), (1, 5, 12, 24, 60)):
        lines = board(seen, width, height)
        assert len(lines) <= height
        assert all(line.cell_len <= width for line in lines)


def test_columns_leave_by_their_rank_and_the_name_gives_way() -> None:
    columns = (Column("queue"), Column("queued", 0), Column("mean", 9))
    rows = [[Text("a-very-long-name"), Text("12"), Text("1.0 s")]]
    assert plain(grid(columns, rows, None))[0].split() == ["queue", "queued", "mean"]
    head, row = plain(grid(columns, rows, 22))
    assert head.split() == ["queue", "queued"]
    assert row == "a-very-long-n…      12"


def test_sections_share_a_low_terminal_and_the_least_needed_leaves() -> None:
    def section(rank: int, many: int) -> Section:
        return Section([Text(f"head {rank}")], [[Text(f"{rank}.{n}")] for n in range(many)], rank=rank)

    assert plain(stacked([section(0, 1), section(1, 1)], None)) == ["head 0", "0.0", "", "head 1", "1.0"]
    assert plain(stacked([section(0, 9), section(1, 9)], 6)) == [
        "head 0",
        "0.0",
        "  … 8 more",
        "head 1",
        "1.0",
        "  … 8 more",
    ]
    assert plain(stacked([section(0, 9), section(1, 9)], 4)) == ["head 0", "0.0", "0.1", "  … 7 more"]


def test_a_sparkline_shows_what_is_little_and_leaves_out_what_is_not_known() -> None:
    assert sparks([0.0, 0.001, None, 50.0, 100.0], 10) == "▁▂ ▅█"
    assert sparks([1.0, 2.0, 3.0], 2) == "▆█"
    assert sparks([], 10) == ""


class Flaky:
    """Sees, then does not, then sees again."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def look(self) -> Seen:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("Seen", answer)


def test_an_outage_is_shown_above_what_was_seen_last_and_ends_by_itself(looker: Looker) -> None:
    seen = looker.look()
    gone = DatabaseUnavailableError("no route to password=hunter2")
    watch = Watch(cast("Looker", Flaky(seen, gone, seen)), 0.01, 2)
    watch._look()
    watch._look()
    lines = plain(drawn(watch, 1.0, 80, 24))
    assert len(lines) == 24
    assert lines[0].startswith("! the database cannot be reached for")
    assert "hunter2" not in lines[1]
    assert any("no queues yet" in line for line in lines)
    watch._look()
    assert watch.outage is None
    assert not any("cannot be reached" in line for line in plain(drawn(watch, 1.0, 80, 24)))


def test_what_is_no_outage_ends_it() -> None:
    watch = Watch(cast("Looker", Flaky(ValueError("no"))), 0.01, None)
    watch.run()
    assert isinstance(watch.error, ValueError)
    assert watch.over


def _on_a_terminal(words: list[str], environment: dict[str, str]) -> tuple[int, int]:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child
        os.execvpe(words[0], words, {**os.environ, **environment, "TERM": "xterm-256color"})  # noqa: S606
    return pid, terminal


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize("ends", ["key", "interrupt"])
def test_a_key_or_an_interrupt_ends_it_and_the_terminal_is_put_back(migrated_url: str, ends: str) -> None:
    pid, terminal = _on_a_terminal([sys.executable, "-m", "pgflow", "top"], {"PGFLOW_DATABASE_URL": migrated_url})
    said = _read_until(terminal, lambda text: b"no queues yet" in text)
    assert b"\x1b[?1049h" in said
    if ends == "key":
        os.write(terminal, b"q")
    else:
        os.kill(pid, signal.SIGINT)
    said += _read_until(terminal, lambda text: b"\x1b[?1049l" in text)
    assert b"\x1b[?25h" in said
    _read_until(terminal, lambda _: False)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)


def _read_until(terminal: int, enough: Callable[[bytes], bool]) -> bytes:
    said, end = b"", time.monotonic() + 60
    with suppress(OSError):  # its other end has been closed
        while not enough(said):
            assert time.monotonic() < end, said
            more = os.read(terminal, 65_536)
            if not more:
                break
            said += more
    return said
