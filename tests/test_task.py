"""Tasks: calling them, and the jobs that their ways to enqueue ask for."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pgflow.errors import ArgumentError, Retry
from pgflow.ids import IdMaker
from pgflow.model import NewJob
from pgflow.task import Context, Task, make_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.model import JobRow
    from pgflow.views import Ending


class Outbox:
    """A door that keeps what it was asked for; it answers no question about jobs."""

    def __init__(self) -> None:
        self.ids = IdMaker()
        self.jobs: list[NewJob] = []
        self.puts: list[tuple[int, object | None]] = []

    def put(self, jobs: Sequence[NewJob], conn: object | None) -> list[str]:
        self.jobs += jobs
        self.puts.append((len(jobs), conn))
        return [job.id for job in jobs]

    async def aput(self, jobs: Sequence[NewJob], conn: object | None) -> list[str]:
        return self.put(jobs, conn)

    def job_row(self, job_id: str) -> JobRow:
        raise LookupError(job_id)

    async def ajob_row(self, job_id: str) -> JobRow:
        raise LookupError(job_id)

    def job_ending(self, job_id: str) -> Ending:
        raise LookupError(job_id)

    async def ajob_ending(self, job_id: str) -> Ending:
        raise LookupError(job_id)


def rebuild(day: str, *, force: bool = False) -> str:
    """Build a day again."""
    return f"{day}{force}"


async def send_receipt(order_id: int, *, to: str) -> str:
    return f"{order_id}{to}"


def with_context(context: Context, start: int) -> tuple[str, int]:
    return context.task, start


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def receipt(outbox: Outbox) -> Task[..., Any]:
    return make_task(send_receipt, outbox, {"queue": "mail", "max_attempts": 5, "timeout": 30})


def test_a_task_is_called_like_its_function_and_looks_like_it() -> None:
    task = make_task(rebuild, Outbox(), {})
    assert task("2026-11-24", force=True) == "2026-11-24True"
    assert (task.__name__, task.__doc__) == ("rebuild", "Build a day again.")  # type: ignore[attr-defined]
    assert inspect.signature(task) == inspect.signature(rebuild)
    assert repr(task) == f"Task({__name__}.rebuild)"


def test_calling_an_async_task_gives_its_coroutine() -> None:
    task = make_task(send_receipt, Outbox(), {})
    assert asyncio.run(task(1, to="x")) == "1x"


def test_calling_a_bound_task_gives_it_a_context_of_no_job() -> None:
    task = make_task(with_context, Outbox(), {"bind": True, "name": "shop.count"})
    assert task(3) == ("shop.count", 3)


def test_an_enqueue_asks_for_one_job_as_declared(receipt: Task[..., Any], outbox: Outbox) -> None:
    job = receipt.enqueue(17, to="a@b.c")
    assert outbox.jobs == [
        NewJob(
            id=job.id, queue="mail", task=f"{__name__}.send_receipt", args="[17]", kwargs='{"to":"a@b.c"}',
            max_attempts=5, timeout=30,
        )
    ]  # fmt: skip
    assert outbox.puts == [(1, None)]


@pytest.mark.anyio
async def test_an_async_enqueue_asks_for_the_same(receipt: Task[..., Any], outbox: Outbox) -> None:
    waiting = receipt.aenqueue(17, to="a@b.c")
    assert inspect.iscoroutine(waiting)
    assert outbox.jobs == []
    await waiting
    await receipt.options().aenqueue(17, to="a@b.c")
    receipt.delay(17, to="a@b.c")
    receipt.options().delay(17, to="a@b.c")
    receipt.apply_async((17,), {"to": "a@b.c"})
    receipt.apply_async([17], {"to": "a@b.c"})
    first, *others = [replace(job, id="") for job in outbox.jobs]
    assert others == [first] * 5


def test_options_change_the_job_and_not_the_task(receipt: Task[..., Any], outbox: Outbox) -> None:
    conn = object()
    when = datetime(2027, 1, 1, tzinfo=UTC)
    vip = receipt.options(
        run_at=when, priority=5, queue="vip", max_attempts=2, timeout=timedelta(seconds=9), expires=timedelta(hours=1),
        headers={"trace": datetime(2026, 1, 1, tzinfo=UTC)}, conn=conn, keep_result=True,
    )  # fmt: skip
    vip.enqueue(1, to="x")
    receipt.enqueue(1, to="x")
    first, second = outbox.jobs
    assert (first.run_at, first.priority, first.queue, first.max_attempts) == (when, 5, "vip", 2)
    assert (first.timeout, first.expires_in, first.expires_at, first.keep_result) == (9, 3600, None, True)
    assert first.headers == {"trace": "2026-01-01T00:00:00+00:00"}
    assert (second.queue, second.priority, second.timeout, second.headers) == ("mail", 0, 30, None)
    assert outbox.puts == [(1, conn), (1, None)]


def test_delay_and_expires_take_seconds_timedeltas_and_times(receipt: Task[..., Any], outbox: Outbox) -> None:
    when = datetime(2027, 1, 1, tzinfo=UTC)
    receipt.options(delay=60).enqueue(1, to="x")
    receipt.options(delay=timedelta(minutes=1), expires=when, timeout=None).enqueue(1, to="x")
    receipt.apply_async((1,), {"to": "x"}, countdown=60, expires=9, priority=1, queue="q")
    receipt.apply_async((1,), {"to": "x"}, eta=when)
    first, second, third, fourth = outbox.jobs
    assert (first.delay, second.delay, second.expires_at, second.timeout) == (60, 60, when, None)
    assert (third.delay, third.expires_in, third.priority, third.queue) == (60, 9, 1, "q")
    assert fourth.run_at == when


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"dealy": 60}, "dealy= is not an option: did you mean delay=?"),
        ({"countdown": 60}, "use delay="),
        ({"eta": 60}, "use run_at="),
        ({"retry": True}, "max_attempts="),
        ({"delay": 1, "run_at": datetime(2027, 1, 1, tzinfo=UTC)}, "give one"),
        ({"run_at": datetime(2027, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"run_at": datetime(2300, 1, 1, tzinfo=UTC)}, "2000 to 2199"),
        ({"run_at": 5}, "run_at 5"),
        ({"delay": "60"}, "delay '60'"),
        ({"delay": float("nan")}, "delay nan"),
        ({"expires": 0}, "expires_in 0"),
        ({"expires": datetime(2027, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"timeout": -1}, "timeout -1"),
        ({"max_attempts": 0}, "max_attempts 0"),
        ({"queue": "a b"}, "queue 'a b'"),
        ({"priority": None}, "priority None"),
        ({"keep_result": None}, "keep_result None"),
        ({"headers": ["a"]}, "headers ['a'] must be a dict"),
        ({"headers": {"a": b""}}, 'headers["a"] is of type bytes'),
    ],
)
def test_a_wrong_option_of_an_enqueue_is_refused(receipt: Task[..., Any], keywords: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        receipt.options(**keywords)
    assert told in str(caught.value)


def test_apply_async_names_pgflows_word_for_a_stranger(receipt: Task[..., Any]) -> None:
    strangers: list[tuple[dict[str, Any], str]] = [
        ({"headers": {}}, "headers= is not an option: use task.options(headers="),
        ({"countdwn": 1}, "did you mean countdown="),
        ({"serializer": "json"}, "always JSON"),
    ]
    for words, told in strangers:
        with pytest.raises(ArgumentError) as caught:
            receipt.apply_async((1,), {"to": "x"}, **words)
        assert told in str(caught.value)
    with pytest.raises(ArgumentError, match="must be"):
        receipt.apply_async((1,), "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ((), {"to": "x"}, "missing a required argument: 'order_id'"),
        ((1,), {}, "missing a required argument: 'to'"),
        ((1, "x"), {}, "too many positional arguments"),
        ((1,), {"to": "x", "cc": "y"}, "unexpected keyword argument 'cc'"),
        ((float("nan"),), {"to": "x"}, "args[0] is nan"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_enqueue(
    receipt: Task[..., Any], outbox: Outbox, args: tuple[Any, ...], kwargs: dict[str, Any], told: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        receipt.enqueue(*args, **kwargs)
    assert told in str(caught.value)
    assert outbox.puts == []


def test_a_bound_task_is_enqueued_without_its_context(outbox: Outbox) -> None:
    task = make_task(with_context, outbox, {"bind": True})
    task.enqueue(3)
    assert outbox.jobs[0].args == "[3]"
    assert task.decode("[3]", None) == ([3], {})
    with pytest.raises(ArgumentError, match=r"with_context\(start: 'int'\): too many"):
        task.enqueue(object(), 3)


def test_many_calls_are_one_put_in_order(receipt: Task[..., Any], outbox: Outbox) -> None:
    jobs = receipt.options(conn=outbox).enqueue_many(((n,), {"to": f"{n}"}) for n in range(5))
    assert [job.id for job in jobs] == [job.id for job in outbox.jobs]
    assert [json.loads(job.args or "") for job in outbox.jobs] == [[0], [1], [2], [3], [4]]
    assert sorted(job.id for job in jobs) == [job.id for job in jobs]
    assert outbox.puts == [(5, outbox)]


@pytest.mark.anyio
async def test_no_calls_are_no_put(receipt: Task[..., Any], outbox: Outbox) -> None:
    assert receipt.enqueue_many([]) == []
    assert await receipt.aenqueue_many([]) == []
    assert outbox.puts == []
    assert len(await receipt.aenqueue_many([((1,), {"to": "x"})])) == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ((1,), "must be (args, kwargs)"),
        (((1,),), "must be (args, kwargs)"),
        ((1, {"to": "x"}), "must be (args, kwargs)"),
        (((1,), ["to"]), "must be (args, kwargs)"),
        (("17", {"to": "x"}), "must be (args, kwargs)"),
        ({"to": "x"}, "must be (args, kwargs)"),
        (17, "must be (args, kwargs)"),
        (((1,), {}), "missing a required argument: 'to'"),
        (((1,), {"to": b""}), 'kwargs["to"] is of type bytes'),
    ],
)
def test_a_wrong_call_among_many_is_named_and_none_is_stored(
    receipt: Task[..., Any], outbox: Outbox, call: Any, told: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        receipt.enqueue_many([((1,), {"to": "x"}), call])
    assert str(caught.value).startswith("call 1: ")
    assert told in str(caught.value)
    assert outbox.puts == []


def test_a_context_speaks_celerys_words_too() -> None:
    context = Context(task="t", queue="q", job_id="7", attempt=3, spent=2, max_attempts=5, headers={"a": 1})
    assert (context.request.id, context.request.retries, context.headers["a"]) == ("7", 2, 1)
    assert not context.cancelled
    context.cancel()
    assert context.cancelled


def test_a_context_asks_for_another_run() -> None:
    context = Context(task="t", queue="q")
    error = ValueError("no luck")
    with pytest.raises(Retry) as caught:
        raise context.retry(exc=error, countdown=60)
    assert (caught.value.delay, caught.value.reason, caught.value.__cause__) == (60, "ValueError('no luck')", error)
    with pytest.raises(Retry) as caught:
        context.retry(eta=datetime.now(UTC) + timedelta(seconds=30), reason="later")
    assert 20 < float(caught.value.delay or 0) <= 30  # type: ignore[arg-type]
    with pytest.raises(Retry) as caught:
        context.retry()
    assert caught.value.delay is None


def test_an_enqueue_costs_far_less_than_its_round_trip(receipt: Task[..., Any]) -> None:
    # measured 20 us on a slow machine; the bound only catches a slip by an order of magnitude
    calls = [((17,), {"to": "a@b.c"})] * 1_000
    best = min(timed(receipt, calls) for _ in range(5))
    assert best / len(calls) < 200e-6


def timed(task: Task[..., Any], calls: list[Any]) -> float:
    start = time.process_time()
    task.enqueue_many(calls)
    return time.process_time() - start
