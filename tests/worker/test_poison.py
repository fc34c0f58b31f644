"""Jobs that harm who runs them: only the culprit dies, with a reason, and what was claimed with it succeeds."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from poison_tasks import HARMLESS, IN_CHILD, app
from processes import Fleet, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])

INNOCENTS = 30
DEADLY_IN = [("exit", "async"), ("segfault", "thread"), ("out-of-memory", "thread"), ("close-files", "async")]


@pytest.fixture
def fleet(migrated_url: str, tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Workers of the poison app, whose enqueues go to the test's database."""
    monkeypatch.setattr(app, "_given", {"database_url": migrated_url, "dataset_bucket": "none"})
    for cached in ("settings", "database"):
        app.__dict__.pop(cached, None)
    app.house.forget()
    fleet = Fleet(migrated_url, tmp_path, backend)
    yield fleet
    fleet.close()
    app.close()


def put(name: str, *args: Any) -> str:
    """Enqueue a job; gives its id."""
    return app.enqueue(name, args).id


def innocents() -> list[str]:
    """Enqueue jobs that do no harm."""
    return [put(name, n) for n in range(INNOCENTS // 2) for name in ("fine", "fine-thread")]


def states(db: psycopg.Connection[Any], ids: list[str]) -> dict[str, int]:
    """How many of these jobs are in each state."""
    query = "select state, count(*) from pgflow.job_state where id = any (%s::uuid[]) group by 1"
    return dict(db.execute(query, [ids]).fetchall())


def errors(db: psycopg.Connection[Any], ids: list[str]) -> list[tuple[str, str, str]]:
    """The reason, code and message of each dead one, in the order given."""
    query = "select job_id::text, reason_code, error_code, error_message from pgflow.dead_letters"
    found = {row[0]: row[1:] for row in db.execute(query).fetchall()}
    return [found[job_id] for job_id in ids]


def test_what_a_job_raises_or_returns_is_its_own_failure_and_harms_nobody(fleet: Fleet, db: Any) -> None:
    executors = ("async", "thread", "process")
    bad = {(how, where): put(f"harm-{where}", how) for how in HARMLESS for where in executors}
    dying = [put("die-in-child", how) for how in IN_CHILD]
    forked = [put("fork-async"), put("fork-thread")]
    good = innocents()
    # with max_attempts=1, a lease that lapses while 100 MB are encoded on a busy machine would be held against it
    worker = fleet.start("-c", "4", PGFLOW_LEASE_SECONDS="15")
    every = [*bad.values(), *dying]
    until(lambda: states(db, every) == {"dead": len(every)}, 60)
    until(lambda: states(db, good + forked) == {"succeeded": len(good) + len(forked)}, 30)
    assert worker.poll() is None, fleet.said()
    for (how, where), (reason, code, message) in zip(bad, errors(db, list(bad.values())), strict=True):
        assert message, (how, where)
        assert reason in ("NON_RETRYABLE", "MAX_ATTEMPTS_EXCEEDED"), (how, where, reason)
        if how in ("nul", "surrogate", "nan", "huge", "generator", "never-finished"):
            assert code == "BAD_PAYLOAD", (how, where, code, message)
    assert {code for _, code, _ in errors(db, dying)} == {"PANIC"}
    assert db.execute("select count(*) from pgflow.attempts where outcome = 'lost'").fetchone() == (0,)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, fleet.said()


def test_a_child_that_is_left_by_a_fork_of_it_does_not_hold_its_slot(fleet: Fleet, db: Any) -> None:
    bad = put("orphan")
    fleet.start("-c", "1")
    until(lambda: states(db, [bad]) == {"dead": 1}, 20)
    [(_, code, message)] = errors(db, [bad])
    assert (code, "exit code 8" in message) == ("PANIC", True)


def test_threads_that_a_job_throws_exceptions_into_work_on(fleet: Fleet, db: Any) -> None:
    first = [put("fine-thread", n) for n in range(40)]
    fleet.start("-c", "4")
    until(lambda: states(db, first) == {"succeeded": 40})
    disturbing = [put("disturb")]
    until(lambda: states(db, disturbing) == {"succeeded": 1})
    then = [put("fine-thread", n) for n in range(40)]
    until(lambda: sum(states(db, then).values()) == 40 and states(db, then).keys() <= {"succeeded"})


def test_a_job_that_takes_the_signals_away_does_not_make_the_worker_deaf(fleet: Fleet, db: Any) -> None:
    job = put("deafen")
    worker = fleet.start()
    until(lambda: states(db, [job]) == {"succeeded": 1})
    until(lambda: "taken back" in fleet.said())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, fleet.said()


def test_who_takes_the_process_down_dies_alone_and_its_batch_mates_succeed(fleet: Fleet, db: Any) -> None:
    bad = [put(f"die-{where}", how) for how, where in DEADLY_IN]
    bad.append(put("spin"))
    good = innocents()
    keep = {"PGFLOW_BLOCKED_LOOP_SECONDS": "1.5"}
    until(
        lambda: states(db, bad) == {"dead": len(bad)} and states(db, good) == {"succeeded": len(good)},
        170,
        lambda: fleet.keep(3, **keep),
    )
    assert {reason for reason, _, _ in errors(db, bad)} == {"WORKER_CRASHED"}


def test_a_job_that_never_gives_the_loop_back_is_named_and_its_process_ended(fleet: Fleet, db: Any) -> None:
    worker = fleet.start(PGFLOW_BLOCKED_LOOP_SECONDS="2.5")
    bad = put("spin")
    assert worker.wait(20) == 1
    said = fleet.said()
    assert f"job {bad} of task spin has held the event loop up for 1" in said
    assert re.search(f"job {bad} of task spin has held the event loop up for .* s, longer than PGFLOW_BLOCKED", said)
    assert "poison_tasks.py" in said
    assert "while time.monotonic() < end" in said


def test_a_job_that_closes_the_files_of_its_process_ends_it(fleet: Fleet) -> None:
    worker = fleet.start(PGFLOW_BLOCKED_LOOP_SECONDS="1.5")
    put("die-async", "close-files")
    assert worker.wait(30) in {1, -signal.SIGABRT}, fleet.said()  # libuv, which is of C, aborts by itself


def test_a_job_that_holds_the_loop_up_longer_than_the_lease_keeps_it(fleet: Fleet, db: Any) -> None:
    job, mates = put("spin", 5), [put("rest", 2.5) for _ in range(3)]
    fleet.start()
    until(lambda: states(db, [job, *mates]) == {"succeeded": 4}, 40)
    assert db.execute("select count(*), max(attempt) from pgflow.attempts").fetchone() == (4, 1)


def test_native_code_that_keeps_pythons_lock_is_ended_by_the_kernel(fleet: Fleet, db: Any) -> None:
    worker = fleet.start("-c", "1", PGFLOW_BLOCKED_LOOP_SECONDS="1")
    put("hog")
    assert worker.wait(60) == -signal.SIGVTALRM
    assert "in hog" in fleet.said()


def test_a_worker_that_was_stopped_beyond_its_lease_counts_nothing_twice(fleet: Fleet, db: Any) -> None:
    job = put("rest", 3.0)
    first = fleet.start(PGFLOW_WORKER_ID="first", PGFLOW_BLOCKED_LOOP_SECONDS="4")
    until((fleet.directory / f"rest-{first.pid}").exists)
    first.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    second = fleet.start(PGFLOW_WORKER_ID="second")
    until((fleet.directory / f"rest-{second.pid}").exists, 30)
    until(lambda: states(db, [job]) == {"succeeded": 1})
    until(lambda: time.monotonic() - stopped > 6)
    first.send_signal(signal.SIGCONT)
    until(lambda: "was taken away: 1 runs of it are stopped" in fleet.said(0) or "came too late" in fleet.said(0))
    again = put("rest", 0.01)
    until(lambda: states(db, [again]) == {"succeeded": 1})
    query = "select attempt, outcome::text, worker_id from pgflow.attempts where job_id = %s order by attempt"
    assert db.execute(query, [job]).fetchall() == [(1, "lost", "first"), (2, "succeeded", "second")]
    counted = "select sum(count)::int from pgflow.stats where outcome = 'succeeded' and task = 'rest'"
    assert db.execute(counted).fetchone() == (2,)
    assert first.poll() is None, fleet.said(0)
