"""Acknowledges: stores outcomes by the flush, and holds on to them while the database is away."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from pgflow.errors import SchemaMismatchError
from pgflow.model import Outcome, OutcomeKind
from pgflow.store import flush
from pgflow.store.faults import Blame, blame
from pgflow.worker.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.store.pool import Pool
    from pgflow.worker.bell import Bell
    from pgflow.worker.hands import Hands
    from pgflow.worker.pulse import Pulse

logger = logging.getLogger("pgflow.worker")

FLUSH_MOST: Final = 2_000
FLUSH_CHARACTERS_MAX: Final = 16_000_000


class Flusher:
    """Stores what is done; while one flush is under way the next one gathers."""

    def __init__(
        self,
        pool: Pool,
        hands: Hands,
        bell: Bell,
        stored: Callable[[list[Outcome], set[tuple[str, int]]], None],
        pulse: Pulse,
    ) -> None:
        self._pulse = pulse
        self._pool = pool
        self._hands = hands
        self._bell = bell
        self._stored = stored
        self.counts: Counter[str] = Counter()
        self.dropped = 0
        self._lost: set[tuple[str, int]] = set()

    async def flush_for_ever(self) -> None:
        """Store outcomes as they come."""
        while True:
            await self._bell.wait()
            while outcomes := self._hands.take_done():
                for chunk in _chunks(outcomes):
                    self._pulse.storing_since = time.monotonic()
                    over = self._hands.over(chunk)
                    self._lost.clear()
                    await self._store(chunk, over)
                    self._hands.forget(over)
                    self._pulse.storing_since = None
                    self._stored(chunk, self._lost)

    async def _store(self, outcomes: list[Outcome], over: list[str]) -> None:
        backoff = Backoff()
        while True:
            try:
                dropped = await flush.store(self._pool, outcomes, over)
            except SchemaMismatchError:
                raise
            except Exception as error:  # noqa: BLE001 - told apart: no outcome may keep the others out
                self._pulse.store_error = f"{type(error).__name__}: {error}"
                if await self._stored_apart(outcomes, over, error):
                    return
                if not backoff.tries:
                    logger.warning("cannot store %d outcomes: %s; trying again", len(outcomes), error)
                await self._bell.wait(backoff.seconds())
            else:
                self._count(outcomes, dropped)
                return

    async def _stored_apart(self, outcomes: list[Outcome], over: list[str], error: Exception) -> bool:
        # False where only time helps
        why = blame(error)
        if why is Blame.PASSING:
            return False
        if len(outcomes) > 1:
            half = len(outcomes) // 2
            await self._store(outcomes[:half], [])
            await self._store(outcomes[half:], over)
            return True
        plain = _without_details(outcomes[0], error)
        if plain != outcomes[0]:
            logger.warning("job %s: %s", plain.job.job_id, plain.error_message)
            await self._store([plain], over)
            return True
        if why is Blame.TOO_MUCH:
            return False
        logger.error("the outcome of job %s cannot be stored, its lease will lapse: %s", plain.job.job_id, error)
        self._hands.forget([plain.job.lease_id])
        self._lost.add((plain.job.job_id, plain.job.attempt))
        return True

    def _count(self, outcomes: list[Outcome], dropped: set[tuple[str, int]]) -> None:
        for kind, count in Counter([outcome.kind for outcome in outcomes]).items():
            self.counts[str(kind)] += count
        if dropped:
            self.dropped += len(dropped)
            self._lost |= dropped
            self.counts.subtract(str(o.kind) for o in outcomes if (o.job.job_id, o.job.attempt) in dropped)
            logger.warning("%d outcomes came too late: another hand had ended those runs", len(dropped))


def _chunks(outcomes: list[Outcome]) -> Iterator[list[Outcome]]:
    if sum([_weight(outcome) for outcome in outcomes if outcome.result or outcome.traceback]) <= FLUSH_CHARACTERS_MAX:
        for first in range(0, len(outcomes), FLUSH_MOST):
            yield outcomes[first : first + FLUSH_MOST]
        return
    chunk: list[Outcome] = []
    weight = 0
    for outcome in outcomes:
        weight += _weight(outcome)
        if chunk and (weight > FLUSH_CHARACTERS_MAX or len(chunk) == FLUSH_MOST):
            yield chunk
            chunk, weight = [], _weight(outcome)
        chunk.append(outcome)
    yield chunk


def _weight(outcome: Outcome) -> int:
    return len(outcome.result or "") + len(outcome.traceback or "")


def _without_details(outcome: Outcome, error: Exception) -> Outcome:
    kind = OutcomeKind.FAILED if outcome.delay is not None else OutcomeKind.DEAD
    return outcome._replace(
        kind=kind,
        error_code="UNKNOWN",
        error_message=f"its {outcome.kind} outcome could not be stored: {type(error).__name__}",
        traceback=None,
        result=None,
        reason_code=None if kind is OutcomeKind.FAILED else "NON_RETRYABLE",
    )
