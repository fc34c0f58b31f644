"""Random histories of the store against a model of its rules, on a real PostgreSQL."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chaos.machine import StoreMachine

if TYPE_CHECKING:
    import psycopg

    from pgflow.store.pool import Pool

EXAMPLES: Final = int(os.environ.get("PGFLOW_MACHINE_EXAMPLES", "0"))
"""How many histories, other ones each time; where one fails, it is shrunk, which takes minutes."""
FEW: Final = 50
STEPS: Final = 40
COMES_ABOUT: Final = {
    "succeeded", "failed", "dead", "snoozed", "released", "cancelled", "expired", "lost", "reaped as lost",
    "reaped as dead", "dropped", "cancel: asked", "cancel: cancelled", "cancel: refused", "retry: retried",
    "retry: refused", "discard: discarded", "keys held", "replayed in bulk", "held back by a limit",
}  # fmt: skip
"""What some history must have come to, or all of them prove too little."""


def test_whatever_is_done_in_whatever_order_the_tables_are_as_the_rules_foretell(
    pool: Pool, db: psycopg.Connection[Any]
) -> None:
    seen: Counter[str] = Counter()
    machine = type("Store", (StoreMachine,), {"pool": pool, "db": db, "seen": seen})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or FEW,
            stateful_step_count=STEPS,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        ),
    )
    print("\n" + ", ".join(f"{what} {count}" for what, count in seen.most_common()))  # noqa: T201 - pytest -s shows it
    assert {what for what in COMES_ABOUT if not seen[what]} == set()
