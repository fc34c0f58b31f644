"""Captures what is enqueued, instead of storing it or beside."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, ParamSpec

from pydantic_core import from_json

from pgflow.codec import encode_arguments
from pgflow.errors import JobNotFoundError
from pgflow.model import NewJob
from pgflow.store.keys import is_stored
from pgflow.testing.doors import judge, led_to, without_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pgflow.app import App
    from pgflow.ids import IdMaker
    from pgflow.model import JobRow
    from pgflow.task import Task
    from pgflow.views import Ending

P = ParamSpec("P")

NO_OPTIONS: Final = frozenset({"id", "task", "args", "kwargs", "queue", "parent_id", "root_id", "replay_of"})


@dataclass(frozen=True, slots=True)
class Captured:
    """One job that was enqueued; its arguments are what the task would be called with.

    `options` are `priority`, `max_attempts` and whichever others it has; `joined` where it was enqueued
    with `conn=`.
    """

    id: str
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    queue: str
    options: Mapping[str, Any]
    joined: bool

    def __str__(self) -> str:
        """Show it as the call it stands for."""
        words = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.task}({', '.join(words)})"


class Captures(list[Captured]):
    """What was enqueued so far, in order."""

    def of(self, task: Task[..., Any]) -> list[Captured]:
        """Give those of one task."""
        return [job for job in self if job.task == task.name]

    def assert_enqueued(self, task: Task[P, Any], *args: P.args, **kwargs: P.kwargs) -> Captured:
        """Give the first job of this task with these arguments, given by place or by name, defaults filled in.

        Raises `AssertionError` that names what was enqueued where there is none.
        """
        task.check_call(args, kwargs)
        wanted = _bound(task, *task.decode(*encode_arguments(args, kwargs)))
        for job in self.of(task):
            if _bound(task, job.args, job.kwargs) == wanted:
                return job
        there = "".join(f"\n  {job}" for job in self) or " nothing"
        call = Captured("", task.name, args, kwargs, "", {}, joined=False)
        msg = f"{call} was not enqueued; there was:{there}"
        raise AssertionError(msg)


@contextmanager
def captured(app: App, *, store: bool = False) -> Iterator[Captures]:
    """Capture what is enqueued until the end of the block; it is stored only with `store=True`.

    Arguments are checked, encoded and judged by the guardrails as ever. A handle of a job that was not stored
    has its id, and any look at it raises `JobNotFoundError`.
    """
    with ExitStack() as stack:
        if not store:
            stack.enter_context(without_database(app))
        captures = Captures()
        stack.enter_context(led_to(app, _Beside(app, captures) if store else _Capturing(app, captures)))
        yield captures


class _Capturing:
    """Keeps jobs to be looked at, and stores nothing."""

    def __init__(self, app: App, captures: Captures) -> None:
        self._app = app
        self._captures = captures
        self._holders: dict[str, str] = {}

    @property
    def ids(self) -> IdMaker:
        return self._app.door.ids

    def prepare(self) -> None:
        self._app.door.prepare()

    def put(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        judged = judge(self._app, jobs, conn)
        ids = [self._holder_of(job) for job in judged]
        self.keep(judged, ids, conn)
        return ids

    async def aput(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        return self.put(jobs, conn)

    def keep(self, jobs: Sequence[NewJob], ids: Sequence[str], conn: object | None) -> None:
        for job, job_id in zip(jobs, ids, strict=True):
            if not is_stored(job, job_id):
                continue
            args, kwargs = self._arguments(job)
            self._captures.append(
                Captured(job_id, job.task, tuple(args), kwargs, job.queue, _options(job), conn is not None)
            )

    def job_row(self, job_id: str) -> JobRow:
        raise _not_stored(job_id)

    async def ajob_row(self, job_id: str) -> JobRow:
        raise _not_stored(job_id)

    def job_ending(self, job_id: str) -> Ending:
        raise _not_stored(job_id)

    async def ajob_ending(self, job_id: str) -> Ending:
        raise _not_stored(job_id)

    def _holder_of(self, job: NewJob) -> str:
        # nothing runs here, so that a unique key once taken stays taken
        return job.id if job.unique_key is None else self._holders.setdefault(job.unique_key, job.id)

    def _arguments(self, job: NewJob) -> tuple[list[Any], dict[str, Any]]:
        task = self._app.tasks.get(job.task)
        if task is not None:
            return task.decode(job.args, job.kwargs)
        return from_json(job.args or "[]"), from_json(job.kwargs or "{}")


class _Beside(_Capturing):
    """Keeps jobs to be looked at, and lets them go where they went before."""

    def __init__(self, app: App, captures: Captures) -> None:
        super().__init__(app, captures)
        door = app.door
        self._put, self._aput = door.put, door.aput
        self.job_row, self.ajob_row = door.job_row, door.ajob_row  # type: ignore[method-assign]
        self.job_ending, self.ajob_ending = door.job_ending, door.ajob_ending  # type: ignore[method-assign]

    def put(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        ids = self._put(jobs, conn)
        self.keep(jobs, ids, conn)
        return ids

    async def aput(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        ids = await self._aput(jobs, conn)
        self.keep(jobs, ids, conn)
        return ids


def _options(job: NewJob) -> dict[str, Any]:
    names = [f.name for f in fields(NewJob) if f.name not in NO_OPTIONS]
    return {name: getattr(job, name) for name in names if getattr(job, name) is not None}


def _bound(task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    bound = task.check_call.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _not_stored(job_id: str) -> JobNotFoundError:
    return JobNotFoundError(f"job {job_id} was captured and not stored: look at it with captured(app, store=True)")
