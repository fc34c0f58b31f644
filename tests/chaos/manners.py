"""The manners in which a client enqueues: singly, many at once, from an event loop, and in its own transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from anyio.from_thread import start_blocking_portal

from chaos import tasks
from chaos.offering import offered

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    from chaos.tasks import Call

BATCH = 5
ROLLED_BACK = 0.25
UNIQUE_KEYS = 20
ORDER = "insert into orders (token, job_id) values (%s, %s)"


class Client:
    """What the manners share: where to enqueue, and which tasks how often."""

    def __init__(self, url: str, mix: Mapping[str, float]) -> None:
        self.url = url
        self._names = sorted(mix)
        self._weights = [mix[name] for name in self._names]
        self._conn: psycopg.Connection[Any] | None = None

    def draw(self, dice: random.Random) -> Call:
        """Draw a task and its arguments."""
        return tasks.CALLS[dice.choices(self._names, self._weights)[0]](dice)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a transaction of the client's own, on a connection that is made anew where it was lost."""
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(self.url, connect_timeout=3, prepare_threshold=None)
        try:
            with self._conn.transaction():
                yield self._conn
        except psycopg.Error:
            self._conn.close()
            raise

    def close(self) -> None:
        """Close what is open."""
        if self._conn is not None:
            self._conn.close()


def single(client: Client, dice: random.Random, token: str) -> None:
    """Enqueue one job as its task declares it."""
    task, args = client.draw(dice)
    with offered([token], task.declared.queue) as answer:
        answer.ids = [task.enqueue(*args).id]


def from_loop(client: Client, dice: random.Random, token: str) -> None:
    """Enqueue one job from an event loop, asyncio's or trio's."""
    task, args = client.draw(dice)
    with (
        offered([token], task.declared.queue) as answer,
        start_blocking_portal(dice.choice(["asyncio", "trio"])) as loop,
    ):
        answer.ids = [loop.call(lambda: task.aenqueue(*args)).id]


def batch(client: Client, dice: random.Random, token: str) -> None:
    """Enqueue several jobs of one task at once, which are copied."""
    task, args = client.draw(dice)
    every = [f"{token}.{number}" for number in range(BATCH)]
    with offered(every, task.declared.queue) as answer:
        answer.ids = [job.id for job in task.enqueue_many([(args, {})] * BATCH)]


def special(client: Client, dice: random.Random, token: str) -> None:
    """Enqueue one job that is delayed, or urgent, or has a key that another may hold."""
    task, args = client.draw(dice)
    options: dict[str, Any] = dice.choice(
        [
            {"delay": dice.uniform(0.5, 2.0)},
            {"priority": dice.randrange(-5, 6)},
            {"unique_key": f"key-{dice.randrange(UNIQUE_KEYS)}"},
        ]
    )
    with offered([token], task.declared.queue) as answer:
        answer.ids = [task.options(**options).enqueue(*args).id]


def joined(client: Client, dice: random.Random, token: str) -> None:
    """Enqueue one job in a transaction that stores an order, and now and then roll both back."""
    task, args = client.draw(dice)
    rolls_back = dice.random() < ROLLED_BACK
    with offered([token], task.declared.queue) as answer, client.transaction() as conn:
        job = task.options(conn=conn, headers={"order": True}).enqueue(*args)
        conn.execute(ORDER, [token, job.id])
        answer.ids = [job.id]
        if rolls_back:
            answer.rolled_back = True
            raise psycopg.Rollback


SHARES: list[tuple[Callable[[Client, random.Random, str], None], float]] = [
    (single, 0.40),
    (from_loop, 0.05),
    (batch, 0.20 / BATCH),
    (special, 0.15),
    (joined, 0.20),
]
"""Each manner, and the share of the calls a second that are made in it."""
