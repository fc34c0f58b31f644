"""Tasks: which functions can be one, what they are called, and the jobs that their doors ask for."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pgflow.errors import ArgumentError, Retry, TaskDefinitionError
from pgflow.ids import IdMaker
from pgflow.model import INT32_MAX, NewJob
from pgflow.retry import DEFAULT_POLICY, Exponential, Fixed
from pgflow.task import Context, Task, TaskOptions, make_task
from pgflow.task.options import TaskKeywords
from pgflow.task.words import APPLY_WORDS, SEND_WORDS, TASK_WORDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

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


def declared(function: Callable[..., Any] = rebuild, **keywords: Any) -> TaskOptions:
    return make_task(function, Outbox(), keywords).declared


def definition_error(function: Any = rebuild, **keywords: Any) -> str:
    with pytest.raises(TaskDefinitionError) as caught:
        make_task(function, Outbox(), keywords)
    return str(caught.value)


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


def test_the_name_is_module_and_function() -> None:
    def nested() -> None: ...

    assert declared().name == f"{__name__}.rebuild"
    assert declared(nested).name == f"{__name__}.nested"
    assert declared(name="shop.rebuild").name == "shop.rebuild"


SCRIPT = """
from pgflow.task.naming import name_of
def work(): ...
print(name_of(work))
"""


@pytest.mark.parametrize(("how", "name"), [(["shop/jobs.py"], "jobs.work"), (["-m", "shop.jobs"], "shop.jobs.work")])
def test_a_script_names_its_tasks_as_others_import_it(tmp_path: Path, how: list[str], name: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "jobs.py").write_text(SCRIPT)
    ran = subprocess.run([sys.executable, *how], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    assert ran.stdout.strip() == name


def test_the_executor_follows_from_the_function() -> None:
    assert declared(send_receipt).executor == "async"
    assert declared(rebuild).executor == "thread"
    assert declared(rebuild, executor="process").executor == "process"


def test_an_executor_that_does_not_suit_the_function_is_refused() -> None:
    def nested() -> None: ...

    assert "declared with executor='process': use def" in definition_error(send_receipt, executor="process")
    assert "use def" in definition_error(send_receipt, executor="thread")
    assert "use async def" in definition_error(rebuild, executor="async")
    assert "move it to the module" in definition_error(nested, executor="process")
    assert "one of async, thread, process" in definition_error(rebuild, executor="gevent")


class Shop:
    def open(self) -> None: ...

    @classmethod
    def make(cls) -> Shop:
        return cls()

    @staticmethod
    def close() -> None: ...

    def __call__(self) -> None: ...


async def stream() -> AsyncIterator[int]:
    yield 1


def count() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda: 1, "a lambda, which has no name: use def"),
        (Shop.open, "a method: declare a module's function"),
        (Shop().open, "a method"),
        (Shop.make, "a method"),
        (Shop.close, "a method"),
        (Shop.__dict__["make"], "a method"),
        (Shop.__dict__["close"], "a method"),
        (Shop, "a class"),
        (Shop(), "no function"),
        (len, "a builtin"),
        (functools.partial(rebuild, "x"), "a partial"),
        (stream, "a generator"),
        (count, "a generator"),
        (make_task(rebuild, Outbox(), {}), "a task already"),
        (17, "no function"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_the_remedy(function: Any, told: str) -> None:
    message = definition_error(function)
    assert "cannot be a task" in message
    assert told in message


def test_a_bound_task_needs_a_place_for_its_context() -> None:
    def without() -> None: ...

    def only_named(*, context: Context) -> None: ...

    assert "add one for the context" in definition_error(without, bind=True)
    assert "add one for the context" in definition_error(only_named, bind=True)


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"max_atempts": 5}, "max_atempts= is not an option: did you mean max_attempts=?"),
        ({"colour": 5}, "colour= is not an option: there are: autoretry_for, bind, "),
        ({"rate_limit": "5/s"}, "max_attempts_per_minute"),
        ({"acks_late": True}, "leave it out"),
        ({"ignore_result": True}, "keep_result"),
        ({"retry": True}, "max_attempts="),
        ({"time_limit": 5}, "use timeout="),
        ({"delay": 5}, "task.options(delay="),
        ({"queue": "no spaces"}, "queue 'no spaces' is not a name"),
        ({"name": "a/b"}, "name 'a/b' is not a name"),
        ({"name": "a\n"}, "is not a name"),
        ({"max_attempts": 0}, "max_attempts 0"),
        ({"max_attempts": True}, "max_attempts True"),
        ({"priority": 1.5}, "priority 1.5"),
        ({"timeout": 0}, "timeout 0"),
        ({"timeout": "30"}, "timeout '30'"),
        ({"concurrency": 0}, "concurrency 0"),
        ({"keep_result": 1}, "keep_result 1 must be True or False"),
        ({"bind": "yes"}, "bind 'yes'"),
        ({"retry_policy": {"max_retries": 3}}, "retry_policy {'max_retries': 3} must be a policy"),
        ({"retry_policy": -1}, "seconds -1"),
        ({"autoretry_for": (ValueError, "KeyError")}, "autoretry_for 'KeyError'"),
        ({"max_retries": 3, "max_attempts": 4}, "max_attempts= and max_retries= say the same"),
        ({"retry_backoff": True, "retry_policy": 3}, "retry_policy= and retry_backoff= say the same"),
        ({"max_retries": -1}, "max_attempts 0"),
        ({"max_retries": "3"}, "max_attempts '3'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(keywords: dict[str, Any], told: str) -> None:
    message = definition_error(**keywords)
    assert told in message
    assert "rebuild" in message or "task a" in message


def test_timeouts_may_be_timedeltas() -> None:
    assert declared(timeout=timedelta(minutes=1)).timeout == 60
    assert declared(timeout=None).timeout is None


def test_celery_spellings_become_the_same_options() -> None:
    options = declared(
        autoretry_for=(OSError,), max_retries=3, retry_backoff=5, retry_backoff_max=100, retry_jitter=False
    )
    assert options.max_attempts == 4
    assert options.autoretry_for == (OSError,)
    assert options.retry_policy == Exponential(base=5, cap=100, jitter=False)
    assert declared(retry_backoff=True).retry_policy == Exponential(base=1, cap=600)
    assert declared(retry_backoff=False).retry_policy == Fixed(180)
    assert declared(default_retry_delay=7).retry_policy == Fixed(7)
    assert declared(max_retries=None).max_attempts == INT32_MAX


def test_a_number_is_a_policy_of_the_same_delay_each_time() -> None:
    assert declared().retry_policy is DEFAULT_POLICY
    assert declared(retry_policy=9).retry_policy == Fixed(9)
    assert declared(retry_policy=DEFAULT_POLICY).retry_policy is DEFAULT_POLICY


def test_errors_are_tried_again_as_declared() -> None:
    assert declared().retries(KeyError())
    only = declared(autoretry_for=LookupError, dont_autoretry_for=IndexError)
    assert only.retries(KeyError())
    assert not only.retries(IndexError())
    assert not only.retries(ValueError())


def test_a_plugin_may_add_options_of_a_type() -> None:
    added = {"sensitive": tuple[str, ...]}
    task = make_task(rebuild, Outbox(), {"sensitive": ("card",)}, added)
    assert task.declared.extra == {"sensitive": ("card",)}
    with pytest.raises(TaskDefinitionError, match="sensitive 5"):
        make_task(rebuild, Outbox(), {"sensitive": 5}, added)


def test_every_option_has_a_field_or_a_spelling() -> None:
    fields = set(TaskOptions.__dataclass_fields__) - {"bind", "extra"}
    celery = {"max_retries", "retry_backoff", "retry_backoff_max", "retry_jitter", "default_retry_delay"}
    assert set(TaskKeywords.__annotations__) == fields | celery


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
    for word, told in [("headers", "task.options(headers="), ("countdwn", "countdown="), ("serializer", "JSON")]:
        with pytest.raises(ArgumentError, match=f"{word}= is not an option: .*") as caught:
            receipt.apply_async((1,), {"to": "x"}, **{word: 1})
        assert told in str(caught.value)
    with pytest.raises(ArgumentError, match="must be"):
        receipt.apply_async((1,), "x")  # type: ignore[arg-type]


def test_no_word_of_celerys_shadows_an_option() -> None:
    assert not TASK_WORDS.keys() & TaskKeywords.__annotations__.keys()
    assert not SEND_WORDS.keys() & {"delay", "run_at", "expires", "conn", "queue", "priority"}
    assert not APPLY_WORDS.keys() & {"queue", "priority", "expires"}


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
