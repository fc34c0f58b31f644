"""Fifty conflicting actions of operators a second."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from chaos.acts import Operator, calm_down
from chaos.ledger import Ledger
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

HANDS = 4
PER_SECOND = 50.0


def strike(stage: Stage) -> None:
    with ExitStack() as stack:
        book = stack.enter_context(Ledger(stage.ledger_dir))
        app = stack.enter_context(closing(stage.admin_app()))

        def recent(query: str) -> list[str]:
            return [row[0] for row in stage.ask(query)] or [NOBODY]

        dice = [random.Random(stage.rng.random()) for _ in range(HANDS)]  # noqa: S311 - replayable by its seed
        hands = [Operator(app, book, each, recent) for each in dice]
        errors: list[BaseException] = []
        threads = [threading.Thread(target=keep_acting, args=(stage, hand, errors)) for hand in hands]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        calm_down(app)
    total = {name: sum(hand.done.get(name, 0) for hand in hands) for name in sorted({n for h in hands for n in h.done})}
    stage.log(f"done: {total}; refused: {sum(hand.refused for hand in hands)}")
    stage.demand_bite(total.get("cancel", 0) and total.get("replay", 0), "nobody cancelled and replayed")
    if errors:
        stage.blame("R8", len(errors), repr(errors[0])[:300], "an action of an operator failed")


def keep_acting(stage: Stage, hand: Operator, errors: list[BaseException]) -> None:
    """Act until it is over, a fourth of the actions each."""
    due = time.monotonic()
    while not stage.over():
        try:
            hand.act()
        except Exception as error:  # noqa: BLE001 - told in the end
            errors.append(error)
        due = max(due + HANDS / PER_SECOND, time.monotonic() - 0.5)
        stage.pause(due - time.monotonic())


NOBODY = "00000000-0000-7000-8000-000000000000"
ADMIN_STORM = Scenario(
    "admin-storm",
    "Four operators do fifty things a second to the same jobs and queues: cancel, retry, replay, in bulk too, discard, "
    "pause, resume, limit. Every acknowledged action has had its effect once.",
    strike,
)
