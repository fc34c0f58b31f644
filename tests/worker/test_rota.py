"""Turns of queues: who is asked together, who by itself, and that nobody is passed over."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import DatabaseUnavailableError
from pgflow.store import claims
from pgflow.store.limited import Brought
from pgflow.worker.rota import Room, Rota, Turn
from workers import until, work, working

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from pgflow import App

    Db = psycopg.Connection[Any]

ROOM = 10


class Given:
    """A rota over queues with so many jobs each, read as a claim reads them."""

    def __init__(self, **jobs: int) -> None:
        self.jobs = Counter(jobs)
        self.rota = Rota(jobs)
        self.rota.heat(jobs)

    def asked(self, room: int = ROOM) -> list[str]:
        """Name those whose turn it is."""
        up, _ = self.rota.up(lambda _state: Room(room, room))
        return [state.name for state in up]

    def claim(self, room: int = ROOM, seconds: float = 0.001) -> dict[str, int]:
        """Claim from those whose turn it is; gives what each brought."""
        up, shared = self.rota.up(lambda _state: Room(room, room))
        turns = [Turn(state, own, state.wakes) for state, own in up.items()]
        brought: dict[str, int] = {}
        for turn in turns:
            brought[turn.state.name] = min(turn.most, self.jobs[turn.state.name], shared - sum(brought.values()))
        self.jobs.subtract(brought)
        found = [claims.Claim(jobs_like(count), None) for count in brought.values()]
        jobs = [job for claim in found for job in claim.jobs]
        self.rota.told(turns, shared, claims.HEAD, Brought(found, jobs, shared, seconds), lacks_leases=False)
        return {name: count for name, count in brought.items() if count}

    def hot(self) -> list[str]:
        """Name those that are known to have work, the next one first."""
        return [state.name for state in self.rota if state.hot]


def jobs_like(count: int) -> list[Any]:
    """So many jobs, of which nothing matters."""
    return [None] * count


def test_queues_with_little_in_them_are_asked_together_and_then_known_to_be_empty() -> None:
    given = Given(a=3, b=3, c=3)
    assert given.claim(room=100) == {"a": 3, "b": 3, "c": 3}
    assert given.hot() == []


def test_what_a_claim_did_not_reach_comes_first_the_next_time() -> None:
    given = Given(a=80, b=80, c=80)
    assert given.asked(100) == ["a", "b", "c"]
    assert given.claim(100) == {"a": 80, "b": 20}
    assert given.hot() == ["c", "b"]
    assert given.claim(100) == {"c": 80, "b": 20}
    assert given.claim(100) == {"b": 40}
    assert given.hot() == []


def test_a_long_queue_has_one_turn_in_so_many() -> None:
    given = Given(long=1000, a=12, b=12)
    assert [list(given.claim()) for _ in range(5)] == [["long"], ["a"], ["b"], ["long"], ["a", "b"]]


def test_a_queue_that_was_woken_meanwhile_is_looked_at_again() -> None:
    given = Given(a=1, b=1)
    up, shared = given.rota.up(lambda _state: Room(ROOM, ROOM))
    turns = [Turn(state, own, state.wakes) for state, own in up.items()]
    turns[1].state.wakes += 1
    found = Brought([claims.Claim([], None)] * 2, [], shared, 0.001)
    given.rota.told(turns, shared, claims.HEAD, found, lacks_leases=False)
    assert given.hot() == ["b"]


def test_a_queue_with_limits_is_asked_by_itself_in_its_turn() -> None:
    given = Given(a=1, limited=1, b=1)
    state = given.rota.get("limited")
    assert state is not None
    state.limited = True
    assert given.asked() == ["a", "b"]
    given.claim()
    assert given.asked() == ["limited"]


def test_a_claim_that_took_far_too_long_is_followed_by_claims_that_tell_whose_head_is_dear() -> None:
    given = Given(a=30, b=30)
    for _ in range(2):
        given.claim(room=20)
    assert len(given.asked()) == 2
    given = Given(a=6, b=100)
    given.claim(seconds=2.0)
    given.rota.heat(["a"])
    assert given.asked() == ["a"]
    given.claim()
    assert given.asked() == ["b"]
    given.claim()
    given.rota.heat(["a"])
    assert given.asked() == ["a", "b"]


def test_a_queue_whose_head_is_dear_stays_by_itself() -> None:
    given = Given(sick=1000, a=5, b=5)
    state = given.rota.get("sick")
    assert state is not None
    state.reader.note(claims.HEAD, 3.0, 10, claims.Mark(0, "now", claims.NIL), time.monotonic())
    assert given.asked() == ["sick"]
    given.rota.took_turns([state])
    assert given.asked() == ["a", "b"]


def test_about_twice_as_many_are_asked_as_should_do() -> None:
    given = Given(**{f"q{n}": 2 for n in range(1000)})
    for _ in range(20):
        given.claim(room=100)
    assert 90 <= len(given.asked(100)) <= 110
    given = Given(**{f"q{n}": 1000 for n in range(1000)})
    for _ in range(20):
        given.claim(room=100)
    assert len(given.asked(100)) <= 3


def test_a_queue_that_feeds_a_fuller_executor_waits_for_a_claim_of_its_own() -> None:
    rota = Rota(["roomy", "full", "tight", "other"])
    rota.heat(["roomy", "full", "tight", "other"])
    rooms = {"roomy": 10, "full": 0, "tight": 3, "other": 12}
    up, room = rota.up(lambda state: Room(rooms[state.name], rooms[state.name]))
    assert ([state.name for state in up], room) == (["roomy", "other"], 10)


@pytest.fixture
def asked(app: App, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The queues that each claim asked."""
    seen: list[tuple[str, ...]] = []
    arun = app.db.arun

    async def noted(statement: Any) -> Any:
        if statement.query is claims.CLAIM:
            seen.append(tuple(statement.params["queues"]))
        return await arun(statement)

    monkeypatch.setattr(app.db, "arun", noted)
    return seen


def put_everywhere(app: App, queues: Sequence[str], each: int) -> Callable[[], Counter[str]]:
    """Put jobs into queues; gives who counts the runs of each."""
    runs: Counter[str] = Counter()

    @app.task
    async def counted(queue: str) -> None:
        runs[queue] += 1
        await anyio.sleep(0)

    for queue in queues:
        counted.options(queue=queue).enqueue_many([((queue,), {})] * each)
    return lambda: runs


@pytest.mark.anyio
async def test_many_queues_are_emptied_in_few_claims(app: App, asked: list[tuple[str, ...]], db: Db) -> None:
    queues = [f"q{n}" for n in range(200)]
    runs = put_everywhere(app, queues, 3)
    assert await work(app, queues=queues) == {"succeeded": 600}
    assert runs() == dict.fromkeys(queues, 3)
    assert db.execute("select count(*), count(distinct queue) from pgflow.stats").fetchone() == (200, 200)
    assert len(asked) < 60
    assert max(map(len, asked)) > 20


@pytest.mark.anyio
async def test_a_claim_of_several_queues_whose_answer_is_lost_is_taken_up_from_all_of_them(
    app: App, monkeypatch: pytest.MonkeyPatch, db: Db
) -> None:
    queues = ["a", "b", "c"]
    runs = put_everywhere(app, queues, 4)
    arun = app.db.arun
    lost: list[int] = []

    async def lose(statement: Any) -> Any:
        answer = await arun(statement)
        if statement.query is claims.CLAIM and isinstance(answer, list) and not lost and any(c.jobs for c in answer):
            lost.append(sum(len(claim.jobs) for claim in answer))
            raise DatabaseUnavailableError("the line broke behind the commit", in_doubt=True)
        return answer

    monkeypatch.setattr(app.db, "arun", lose)
    async with working(app, queues=queues):
        await until(lambda: sum(runs().values()) == 12)
        await until(lambda: db.execute("select count(*) from pgflow.attempts").fetchone() == (12,))
    assert lost
    assert runs() == dict.fromkeys(queues, 4)
    assert db.execute("select distinct outcome from pgflow.attempts").fetchall() == [("succeeded",)]


@pytest.mark.anyio
async def test_a_new_queue_is_not_trusted_to_feed_the_executor_that_has_room(app: App, db: Db) -> None:
    # one that turns out to hold slow jobs for two threads must not have been claimed by the hundred
    started: list[float] = []

    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    @app.task
    def slow() -> None:
        started.append(time.monotonic())
        time.sleep(0.3)

    async with working(app, queues=["quick", "slow"]):
        await quick.options(queue="quick").aenqueue_many([((), {})] * 300)
        await until(lambda: db.execute("select count(*) from pgflow.attempts").fetchone() == (300,))
        await slow.options(queue="slow").aenqueue_many([((), {})] * 200)
        await until(lambda: started)
        held = db.execute("select coalesce(sum(cardinality(job_ids)), 0) from pgflow.leases").fetchone()
    assert held is not None
    assert 0 < held[0] < 60
