"""Task: a declared function that can be called, and enqueued with the same arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, Unpack, overload

from pgflow.codec import CallCheck, Decoder, encode_arguments
from pgflow.codec.calls import signature_of
from pgflow.errors import ArgumentError
from pgflow.handle import Job
from pgflow.model import NewJob
from pgflow.task.context import Context
from pgflow.task.door import Door
from pgflow.task.middleware import Wiring
from pgflow.task.options import TaskOptions
from pgflow.task.sending import SendKeywords, make_template
from pgflow.task.words import APPLY_WORDS, strangers
from pgflow.unswept import unswept

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Call: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]


class Task(Generic[P, R_co]):
    """A declared function. Calling it calls the function; `enqueue` and its kin ask a worker for a run.

    The overloads say one thing: an async function's job results in what awaiting it gives.
    """

    def __init__(self, function: Callable[..., R_co], options: TaskOptions, door: Door) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.declared = options
        self.name = options.name
        signature = signature_of(function, skip_first=options.bind)
        self.check_call = CallCheck(signature, options.name)
        self.decode = Decoder(function, signature, self.check_call).decode
        self.door = door
        self.wiring = Wiring(options.retry_policy)
        self._as_declared: BoundTask[P, Any] = BoundTask(self, {})

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here and now; one declared with `bind=True` gets a context of no job."""
        if self.declared.bind:
            context = Context(task=self.name, queue=self.declared.queue, max_attempts=self.declared.max_attempts)
            return self.function(context, *args, **kwargs)
        return self.function(*args, **kwargs)

    @overload
    def options(self: Task[P, Coroutine[Any, Any, R]], **keywords: Unpack[SendKeywords]) -> BoundTask[P, R]: ...
    @overload
    def options(self: Task[P, R], **keywords: Unpack[SendKeywords]) -> BoundTask[P, R]: ...
    def options(self, **keywords: Any) -> BoundTask[P, Any]:
        """Return this task with other options for the enqueues made through it.

        `delay`, `timeout` and `expires` take seconds or a timedelta, `expires` also an aware datetime;
        `conn` is the caller's connection, whose transaction the jobs join.
        Raises `ArgumentError` for a keyword that is no option, or has a value it cannot take.
        """
        return BoundTask(self, keywords)

    @overload
    def enqueue(self: Task[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    @overload
    def enqueue(self: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[Any]:
        """Store a job that calls the function with these arguments.

        Raises `ArgumentError` where they do not fit or cannot be stored, `JobRejected` where a guardrail refuses.
        """
        return self._as_declared.send(args, kwargs)

    @overload
    async def aenqueue(self: Task[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    @overload
    async def aenqueue(self: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[Any]:
        """Store a job, as `enqueue` does, leaving the event loop free."""
        return await self._as_declared.asend(args, kwargs)

    @overload
    def delay(self: Task[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    @overload
    def delay(self: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Job[R]: ...
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job[Any]:
        """Store a job: `enqueue` under Celery's name."""
        return self._as_declared.send(args, kwargs)

    @overload
    def enqueue_many(self: Task[P, Coroutine[Any, Any, R]], calls: Iterable[Call]) -> list[Job[R]]: ...
    @overload
    def enqueue_many(self: Task[P, R], calls: Iterable[Call]) -> list[Job[R]]: ...
    def enqueue_many(self, calls: Iterable[Call]) -> list[Job[Any]]:
        """Store a job for each `(args, kwargs)`, all or none, and return their handles in order."""
        return self._as_declared.enqueue_many(calls)

    @overload
    async def aenqueue_many(self: Task[P, Coroutine[Any, Any, R]], calls: Iterable[Call]) -> list[Job[R]]: ...
    @overload
    async def aenqueue_many(self: Task[P, R], calls: Iterable[Call]) -> list[Job[R]]: ...
    async def aenqueue_many(self, calls: Iterable[Call]) -> list[Job[Any]]:
        """Store a job for each `(args, kwargs)`, as `enqueue_many` does, leaving the event loop free."""
        return await self._as_declared.aenqueue_many(calls)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | timedelta | None = None,
        eta: datetime | None = None,
        expires: float | timedelta | datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        **others: object,
    ) -> Job[Any]:
        """Store a job with Celery's words. Raises `ArgumentError` for one of another meaning, naming pgflow's."""
        words = ("args", "kwargs", "countdown", "eta", "expires", "priority", "queue")
        complaint = strangers(others, words, APPLY_WORDS)
        if complaint:
            msg = f"{self.name}.apply_async: {complaint}"
            raise ArgumentError(msg)
        given = {"delay": countdown, "run_at": eta, "expires": expires, "priority": priority, "queue": queue}
        keywords = {name: value for name, value in given.items() if value is not None}
        return BoundTask(self, keywords).send(*_checked_call((tuple(args), kwargs or {})))

    def __repr__(self) -> str:
        """Show the name."""
        return f"Task({self.name})"


class BoundTask(Generic[P, R_co]):
    """A task with the options of one enqueue: the same ways to enqueue, `R_co` being the job's result."""

    __slots__ = ("_check", "_conn", "_door", "_template")

    def __init__(self, task: Task[P, Any], keywords: Mapping[str, Any]) -> None:
        self._template = make_template(task.declared, keywords)
        self._conn: object | None = keywords.get("conn")
        self._check = task.check_call
        self._door = task.door

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Store a job that calls the function with these arguments, as `Task.enqueue` does."""
        return self.send(args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Store a job, as `enqueue` does, leaving the event loop free."""
        return await self.asend(args, kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Store a job: `enqueue` under Celery's name."""
        return self.send(args, kwargs)

    def enqueue_many(self, calls: Iterable[Call]) -> list[Job[R_co]]:
        """Store a job for each `(args, kwargs)`, as `Task.enqueue_many` does."""
        jobs = self._jobs(calls)
        return self._handles(self._door.put(jobs, self._conn) if jobs else ())

    async def aenqueue_many(self, calls: Iterable[Call]) -> list[Job[R_co]]:
        """Store a job for each `(args, kwargs)`, as `enqueue_many` does, leaving the event loop free."""
        jobs = self._jobs(calls)
        return self._handles(await self._door.aput(jobs, self._conn) if jobs else ())

    def send(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Job[R_co]:
        """Store a job whose arguments are at hand as a sequence and a mapping; checked like any, typed as neither."""
        door = self._door
        return Job(door.put((self._job(door.ids.make(), args, kwargs),), self._conn)[0], door)

    async def asend(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Job[R_co]:
        """Store a job, as `send` does, leaving the event loop free."""
        door = self._door
        return Job((await door.aput((self._job(door.ids.make(), args, kwargs),), self._conn))[0], door)

    def _job(self, job_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
        self._check(args, kwargs)
        return self._template.with_call(job_id, *encode_arguments(args, kwargs))

    def _jobs(self, calls: Iterable[Call]) -> list[NewJob]:
        given = list(calls)
        check, make = self._check, self._template.with_call
        jobs: list[NewJob] = []
        try:
            with unswept():
                for job_id, call in zip(self._door.ids.make_many(len(given)), given, strict=True):
                    args, kwargs = _checked_call(call)
                    check(args, kwargs)
                    jobs.append(make(job_id, *encode_arguments(args, kwargs)))
        except ArgumentError as error:
            msg = f"call {len(jobs)}: {error}"
            raise ArgumentError(msg) from None
        return jobs

    def _handles(self, ids: Iterable[str]) -> list[Job[R_co]]:
        door = self._door
        with unswept():
            return [Job(job_id, door) for job_id in ids]


def _checked_call(call: Call) -> Call:
    if isinstance(call, tuple) and len(call) == 2:  # noqa: PLR2004 - args and kwargs
        args, kwargs = call
        if isinstance(args, tuple | list) and isinstance(kwargs, dict):
            return call
    msg = f'it must be (args, kwargs), such as ((17,), {{"to": "a@b.c"}}), not {call!r:.80}'
    raise ArgumentError(msg)
