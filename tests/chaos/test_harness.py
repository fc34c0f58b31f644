"""The harness itself: its server crashes and comes back, its keeper keeps, its clients note what they hear."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chaos import fleet as fleets
from chaos import run, tasks
from chaos.fleet import Fleet, python_path
from chaos.ledger import Ledger, read
from chaos.manners import SHARES, Client
from chaos.offering import offered
from chaos.play import Plan
from chaos.scenario import Scenario, find_all
from chaos.scenarios.worker_clocks import CLOCKS
from chaos.server import Server
from pgflow import JobRejected
from pgflow.store.embedded.processes import is_alive
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness looks at processes in /proc")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as book:
        yield book


@pytest.fixture
def on_app(migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The chaos app on the test's database, and the ledger of this process in the test's directory."""
    monkeypatch.setenv("CHAOS_LEDGER", str(tmp_path / "ledger"))
    tasks.app.configure(database_url=migrated_url, dataset_bucket="none")
    with closing(tasks.app):
        migrate(tasks.app.pool, tasks.app.migrations)
        yield


@linux
@pytest.mark.parametrize("mode", ["immediate", "kill"])
def test_what_was_committed_survives_a_crash_of_the_server(tmp_path: Path, mode: Any) -> None:
    server = Server(tmp_path / "server")
    server.create()
    try:
        server.start()
        server.ask("create table kept (n integer)")
        server.ask("insert into kept values (1)")
        assert server.ask("show fsync") == [("on",)]
        assert server.ask("show synchronous_commit") == [("on",)]
        server.stop(mode)
        assert not server.runs
        with pytest.raises(psycopg.OperationalError):
            server.ask("select 1")
        server.start()
        assert server.ask("select n from kept") == [(1,)]
        assert server.starts == 2
    finally:
        server.stop("immediate")


@linux
def test_the_keeper_starts_a_killed_worker_again_and_orphans_are_seen(
    migrated_url: str, on_app: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(tmp_path, lambda: {"PGFLOW_DATABASE_URL": migrated_url, "CHAOS_LEDGER": str(tmp_path / "ledger")})
    first = fleet.start(1)
    orphan = subprocess.Popen(["/bin/sleep", "60"], env={fleets.MARK: str(tmp_path)})
    try:
        assert fleet.kill(random.Random(1)) == first[0]  # noqa: S311 - one of one
        wait_until(lambda: (pids := fleet.pids()) and pids != first)
        assert fleet.exits() == [-signal.SIGKILL]
        assert not fleet.signal(first[0], signal.SIGTERM)
        wait_until(lambda: "worker" in (tmp_path / "worker-0.log").read_text())
        fleet.stop()
        monkeypatch.setattr(fleets, "ORPHAN_SECONDS", 0.1)
        assert fleet.orphans() == [orphan.pid]
    finally:
        fleet.stop()
        orphan.kill()
        orphan.wait()
    assert (fleet.kills, fleet.starts) == (1, 2)
    assert fleet.orphans() == []


@linux
def test_a_server_ends_where_the_chaos_itself_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from chaos.server import Server; server = Server(Path('server'));"
        " server.create(); server.start(); print(server.process.pid, flush=True); time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": python_path()}
    with subprocess.Popen([sys.executable, "-c", program], env=env, cwd=tmp_path, stdout=subprocess.PIPE) as chaos:
        assert chaos.stdout is not None
        postmaster = int(chaos.stdout.readline())
        assert is_alive(postmaster)
        chaos.kill()
    wait_until(lambda: not is_alive(postmaster))


def test_a_wrong_clock_is_wrong_for_programs_and_right_for_the_ledger(tmp_path: Path) -> None:
    program = "import time; from chaos.ledger import Ledger; Ledger('ledger').note('looked', told=time.time())"
    env = {**os.environ, "CHAOS_CLOCK": "-3600", "PYTHONPATH": f"{CLOCKS}:{python_path()}"}
    before = time.time()
    subprocess.run([sys.executable, "-c", program], env=env, cwd=tmp_path, check=True)
    (line,) = read(tmp_path / "ledger")
    assert before <= line["at"] <= time.time()
    assert line["at"] - line["told"] == pytest.approx(3600, abs=10)


def test_every_manner_of_enqueueing_notes_what_it_asked_for_and_what_it_heard(
    on_app: None, migrated_url: str, db: Any, tmp_path: Path
) -> None:
    db.execute("create table orders (token text primary key, job_id uuid not null)")
    client = Client(migrated_url, tasks.MIX)
    dice = random.Random(7)  # noqa: S311 - replayable
    for manner, _ in SHARES:
        for number in range(8):
            manner(client, dice, f"{manner.__name__}-{number}")
    client.close()
    noted = read(tmp_path / "ledger")
    asked = {line["token"] for line in noted if line["what"] == "asked"}
    enqueued = {line["token"]: line["job_id"] for line in noted if line["what"] == "enqueued"}
    rolled_back = {line["token"] for line in noted if line["what"] == "rolled_back"}
    assert rolled_back
    assert asked == set(enqueued) | rolled_back
    stored = {str(job_id) for (job_id,) in db.execute("select id from pgflow.jobs")}
    assert set(enqueued.values()) == stored
    orders = {token for (token,) in db.execute("select token from orders")}
    assert orders == {token for token in enqueued if token.startswith("joined")}


def test_a_refusal_is_told_from_an_error_whose_outcome_nobody_knows(book: Ledger) -> None:
    with offered(["a"], "quick", book):
        raise JobRejected("PAYLOAD_TOO_LARGE")
    with offered(["b"], "quick", book):
        raise psycopg.OperationalError("the wire broke")
    kinds = [(line["what"], line["token"]) for line in read(book.directory)]
    assert kinds == [("asked", "a"), ("refused", "a"), ("asked", "b"), ("unanswered", "b")]


def test_scenarios_are_found_and_each_has_a_name_of_its_own_and_a_sentence() -> None:
    found = find_all()
    assert len(found) == len({scenario.name for scenario in found}) >= 12
    assert all(scenario.says.endswith(".") for scenario in found)
    lacking = Scenario("lacking", "It needs what nobody has.", lambda _: None, needs=("no-such-program",))
    assert lacking.lacks() == ["no-such-program"]


def test_jobs_and_minutes_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: Callable[..., int]
) -> None:
    assert command("--list") == 0
    assert "kill-workers" in capsys.readouterr().out
    assert command("--only", "kill-everyone") == 2
    assert "kill-everyone" in capsys.readouterr().err
    plan = Plan.of(2_500, 180)
    assert 2_400 < plan.rate * (180 - 14) < 2_600
    assert plan.strike > 120
    assert plan.window >= 3


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in this process; gives its exit code."""

    def run_it(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["chaos.run", *words])
        return run.main()

    return run_it


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
