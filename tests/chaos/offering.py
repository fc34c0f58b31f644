"""Offers jobs on behalf of a client or a task, and notes every fate that is heard of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from chaos.ledger import Ledger
from pgflow import JobRejected, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow import NewJob

_tokens: ContextVar[Sequence[str]] = ContextVar("tokens", default=())


class Tokens:
    """A plugin that gives each job of a call its token, where `enqueue_many` has one set of headers for all."""

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[NewJob]) -> None:
        """Put the tokens into the headers."""
        given = _tokens.get()
        for place, token in enumerate(given[: len(jobs)]):
            jobs[place] = replace(jobs[place], headers={**(jobs[place].headers or {}), "token": token})


@contextmanager
def tokens(given: Sequence[str]) -> Iterator[None]:
    """Let the jobs of an enqueue within the block have these tokens, in order."""
    before = _tokens.set(given)
    try:
        yield
    finally:
        _tokens.reset(before)


def ledger() -> Ledger:
    """The ledger of this process."""
    return _ledger(os.getpid())


@contextmanager
def offered(given: Sequence[str], queue: str, book: Ledger | None = None) -> Iterator[Answer]:
    """Note that jobs are asked for, then what the block hears of them: ids, a refusal, or an error and no answer."""
    book, answer = book or ledger(), Answer()
    for token in given:
        book.note("asked", token=token, queue=queue)
    try:
        with tokens(given):
            yield answer
    except JobRejected as refusal:
        for token in given:
            book.note("refused", token=token, queue=queue, reason_code=refusal.reason_code)
    except Exception as error:  # noqa: BLE001 - whatever it was, the fate of these is unknown, and the next are offered
        for token in given:
            book.note("unanswered", token=token, error=repr(error)[:500])
    else:
        for token, job_id in zip(given, answer.ids, strict=True):
            book.note("rolled_back" if answer.rolled_back else "enqueued", token=token, job_id=job_id)


class Answer:
    """What came of an enqueue: the ids, which count for nothing where the caller rolled back."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.rolled_back = False


@cache
def _ledger(pid: int) -> Ledger:
    # by pid, as a forked child writes a file of its own
    return Ledger(os.environ["CHAOS_LEDGER"])
