"""The other side of a benchmark's processes: starts them, tells them what to do, and waits for what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_SECONDS: Final = 3_600.0
STALL_SECONDS: Final = 120.0
END_SECONDS: Final = 30.0
CHOSEN_BY_THE_BENCH: Final = ("PGFLOW_APP", "PGFLOW_QUEUE", "PGFLOW_WORKER_ID", "PGFLOW_DATABASE_URL", "DATABASE_URL")


class Hand:
    """One process. What it says is heard by a thread, which notes how many of its jobs have ended."""

    def __init__(
        self, heard: threading.Condition, dsn: str, backend: str, settings: Mapping[str, Any],
        through: Sequence[str] = (),
    ) -> None:  # fmt: skip
        given = json.dumps({"dsn": dsn, "backend": backend, "settings": dict(settings)})
        kept = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_THE_BENCH}
        self._heard = heard
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of this package
            [*through, sys.executable, "-m", "pgflow.bench.child", given],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=kept,
            start_new_session=True,  # Ctrl-C is for the other side, whose end closes its stdin
        )  # fmt: skip
        self.ended: Mapping[str, int] = {}
        self.ended_at = 0.0
        self.is_gone = False
        self._answers: list[dict[str, Any]] = []
        self._ear = threading.Thread(target=self._listen, name="pgflow-bench-ear", daemon=True)
        self._ear.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, what: str, **words: Any) -> None:
        """Ask it for something, without waiting for it."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # gone, which its answer will not come from
                self._process.stdin.write(json.dumps({"do": what, **words}) + "\n")
                self._process.stdin.flush()

    def answer(self, key: str) -> dict[str, Any] | None:
        """Give what it said under this key, once; None where it has not."""
        found = next((answer for answer in self._answers if key in answer), None)
        if found is not None:
            self._answers.remove(found)
        return found

    def kill(self) -> None:
        """End it by force, as a crash would."""
        self._process.kill()

    def close(self) -> None:
        """End it: by the end of its stdin, or by force."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ear.join(END_SECONDS)  # it hears the end, and closes what it listened to

    def _listen(self) -> None:
        with self._process.stdout or nullcontext(()) as lines:
            for line in lines:
                answer = json.loads(line)
                with self._heard:
                    if "ended" in answer:
                        self.ended, self.ended_at = answer["ended"], answer["at"]
                    else:
                        self._answers.append(answer)
                    self._heard.notify_all()
        with self._heard:
            self.is_gone = True
            self._heard.notify_all()


class Crew:
    """Some processes alike, for the length of a block; each is started through one of the commands, in turn.

    A command becomes the process it starts, as `ip netns exec NAME` does, or its CPU is not counted.
    """

    def __init__(
        self, size: int, dsn: str, backend: str, settings: Mapping[str, Any], through: Sequence[Sequence[str]] = ((),)
    ) -> None:
        self._heard = threading.Condition()
        self.hands = [Hand(self._heard, dsn, backend, settings, through[n % len(through)]) for n in range(size)]

    def __enter__(self) -> Self:
        """Wait for nothing yet: they start meanwhile."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them all."""
        for hand in self.hands:
            hand.close()

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [hand.pid for hand in self.hands]

    def work(self, queues: Sequence[str], *, apart: bool = False) -> None:
        """Have them all work these queues, or each its own; they are at it when this returns."""
        for number, hand in enumerate(self.hands):
            hand.tell("work", queues=[queues[number]] if apart else list(queues))
        for hand in self.hands:
            self._answered(hand, "started")

    def stop(self) -> None:
        """Have them stop working; they have when this returns."""
        for hand in self.hands:
            hand.tell("stop")
        for hand in self.hands:
            self._answered(hand, "done", "stop")

    def do(self, what: str, **words: Any) -> dict[str, Any]:
        """Have the first of them do something, and give its answer."""
        self.hands[0].tell(what, **words)
        return self._answered(self.hands[0], "done", what)

    def starts(self) -> list[tuple[int, float]]:
        """Give when the jobs of `note_start` began in all of them, and forget it; they may not be working."""
        for hand in self.hands:
            hand.tell("starts")
        told = [self._answered(hand, "starts")["starts"] for hand in self.hands]
        return [(number, at) for some in told for number, at in some]

    def ended(self, kind: str = "succeeded") -> int:
        """Give how many runs of theirs have ended so, since they were started."""
        return sum(hand.ended.get(kind, 0) for hand in self.hands)

    def wait(self, count: int, *, seconds: float = STALL_SECONDS) -> float:
        """Wait until so many jobs in all have succeeded; gives when the last was stored, by `time.monotonic()`.

        Raises `TimeoutError` where none ends for so many seconds.
        """
        with self._heard:
            while self.ended() < count and not self._is_any_gone():
                if not self._heard.wait(seconds):
                    msg = f"{self.ended()} of {count} jobs succeeded, then nothing for {seconds:g} s: {self._counts()}"
                    raise TimeoutError(msg)
            self._complain()
            return max(hand.ended_at for hand in self.hands)

    def _answered(self, hand: Hand, key: str, value: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def came() -> bool:
            while (answer := hand.answer(key)) is not None:
                if value is None or answer[key] == value:
                    found.update(answer)
                    return True
            return self._is_any_gone()

        with self._heard:
            if not self._heard.wait_for(came, PATIENCE_SECONDS):
                msg = f"a process of the benchmark did not answer within {PATIENCE_SECONDS:g} s"
                raise TimeoutError(msg)
            if not found:
                self._complain()
        return found

    def _is_any_gone(self) -> bool:
        return any(hand.is_gone for hand in self.hands)

    def _complain(self) -> None:
        if self._is_any_gone():
            msg = "a process of the benchmark has ended before its work; what it said stands above"
            raise RuntimeError(msg)

    def _counts(self) -> list[dict[str, int]]:
        return [dict(hand.ended) for hand in self.hands]
