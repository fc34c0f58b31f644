"""Random histories of the store against a model of its rules, on a real PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chaos.machine import StoreMachine

if TYPE_CHECKING:
    import psycopg

    from pgflow.store.pool import Pool

EXAMPLES: Final = int(os.environ.get("PGFLOW_MACHINE_EXAMPLES", "0"))
"""How many histories; without it a few, the same each time."""
FEW: Final = 100
STEPS: Final = 40


def test_whatever_is_done_in_whatever_order_the_tables_are_as_the_rules_foretell(
    pool: Pool, db: psycopg.Connection[Any]
) -> None:
    machine = type("Store", (StoreMachine,), {"pool": pool, "db": db, "audit": lambda _self: None})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or FEW,
            stateful_step_count=STEPS,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate] if os.environ.get("NOSHRINK") else [Phase.generate, Phase.shrink],
        ),
    )
    print(f"\n{machine.steps} comparisons")  # noqa: T201
