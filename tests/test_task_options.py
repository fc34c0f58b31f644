"""The declaration of a task: which functions can be one, what it is called, and its options."""

from __future__ import annotations

import functools
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App
from pgflow.errors import TaskDefinitionError
from pgflow.model import INT32_MAX
from pgflow.retry import DEFAULT_POLICY, Exponential, Fixed
from pgflow.task import Context, TaskOptions
from pgflow.task.options import OWN_WORDS, make_options
from pgflow.task.words import APPLY_WORDS, SEND_WORDS, TASK_WORDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


def rebuild(day: str) -> None:
    del day


async def send_receipt(order_id: int, *, to: str) -> str:
    return f"{order_id}{to}"


def declared(function: Any = rebuild, **keywords: Any) -> TaskOptions:
    return make_options(function, keywords)


def definition_error(function: Any = rebuild, **keywords: Any) -> str:
    with pytest.raises(TaskDefinitionError) as caught:
        make_options(function, keywords)
    return str(caught.value)


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
    ran = subprocess.run([sys.executable, *how], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
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
        (App("shop").task(rebuild), "a task already"),
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
        ({"rate_limit": "5/s"}, "concurrency="),
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
    assert make_options(rebuild, {"sensitive": ("card",)}, added).extra == {"sensitive": ("card",)}
    with pytest.raises(TaskDefinitionError, match="sensitive 5"):
        make_options(rebuild, {"sensitive": 5}, added)


def test_every_option_has_a_field_or_a_spelling() -> None:
    fields = set(TaskOptions.__dataclass_fields__) - {"bind", "extra"}
    celery = {"max_retries", "retry_backoff", "retry_backoff_max", "retry_jitter", "default_retry_delay"}
    assert OWN_WORDS - {"bind"} == fields - {"bind"} | celery


def test_no_word_of_celerys_shadows_an_option() -> None:
    assert not TASK_WORDS.keys() & OWN_WORDS
    assert not SEND_WORDS.keys() & {"delay", "run_at", "expires", "conn", "queue", "priority"}
    assert not APPLY_WORDS.keys() & {"queue", "priority", "expires"}
