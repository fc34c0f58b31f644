"""Runs one claimed job here and now, judged as in a worker; coroutines run on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pgflow.worker.judge import raised, returned, timed_out
from pgflow.worker.lane import arguments, call

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context as Variables

    from pgflow.model import Outcome
    from pgflow.worker.run import Run

Backend = Literal["asyncio", "trio"]


class End(NamedTuple):
    """How a function ended: its value, or what it raised, or neither where it overran its timeout."""

    value: object = None
    error: BaseException | None = None
    overran: bool = False


class Executor:
    """Runs functions one by one; context variables are those of where it was made, as a worker's are of its start."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._variables: Variables = copy_context()
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._loop_thread: int | None = None
        self._held_up = 0

    def run(self, run: Run, enter: Callable[[], object]) -> tuple[Outcome, BaseException | None]:
        """Run a job after `enter`; gives its outcome, and what it raised.

        What is meant for the test itself, such as Ctrl-C or `pytest.fail`, is raised on.
        """
        run.started = time.monotonic()
        end = self._variables.copy().run(self._end, run, enter)
        if end.overran:
            return timed_out(run), None
        if end.error is None:
            return returned(run, end.value), None
        if not isinstance(end.error, Exception | SystemExit | asyncio.CancelledError):
            raise end.error
        return raised(run, end.error), end.error

    def close(self) -> None:
        """End the event loop, where there is one."""
        self._stack.close()

    def _end(self, run: Run, enter: Callable[[], object]) -> End:
        enter()
        try:
            args, kwargs = arguments(run)
        except Exception as error:  # noqa: BLE001 - whatever cannot be decoded is the job's failure
            return End(error=error)
        if run.task.declared.executor == "async":
            return self._in_loop(run, args, kwargs)
        return _called(run, args, kwargs)

    def _in_loop(self, run: Run, args: list[Any], kwargs: dict[str, Any]) -> End:
        if self._held_up or threading.get_ident() == self._loop_thread:
            # a coroutine that waits for a job without awaiting holds its loop up, so the job gets another, and so do
            # those it waits for; made by another thread, since trio's would take it for its own
            self._held_up += 1
            try:
                with ThreadPoolExecutor(1) as helper:
                    return helper.submit(self._in_loop_of_its_own, copy_context(), run, args, kwargs).result()
            finally:
                self._held_up -= 1
        end: End = self._opened().call(_awaited, run, args, kwargs)
        return end

    def _in_loop_of_its_own(self, variables: Variables, run: Run, args: list[Any], kwargs: dict[str, Any]) -> End:
        with start_blocking_portal(self._backend) as portal:
            return variables.run(portal.call, _awaited, run, args, kwargs)

    def _opened(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None:
                self._portal = self._stack.enter_context(start_blocking_portal(self._backend))
                self._loop_thread = self._portal.call(threading.get_ident)
            return self._portal


def _called(run: Run, args: list[Any], kwargs: dict[str, Any]) -> End:
    try:
        value = call(run, (args, kwargs))
    except BaseException as error:  # noqa: BLE001 - the caller says which are the job's
        return End(error=error)
    # a function cannot be stopped from outside, in a worker's thread as little as here
    timeout = run.job.timeout
    return End(value, overran=timeout is not None and time.monotonic() - run.started > timeout)


async def _awaited(run: Run, args: list[Any], kwargs: dict[str, Any]) -> End:
    with anyio.move_on_after(run.job.timeout) as scope:
        try:
            return End(await call(run, (args, kwargs)))
        except anyio.get_cancelled_exc_class() as error:
            if scope.cancel_called:
                raise
            return End(error=error)
        except BaseException as error:  # noqa: BLE001 - the caller says which are the job's
            return End(error=error)
    return End(overran=True)
