"""Mutants of statements that are driven from the event loop."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import STORE, Edit, Mutant

DRIVEN: Final = "tests/store/test_driving.py::"
SHIELD: Final = "            with anyio.CancelScope(shield=True):\n                rows ="

DRIVING: Final = (
    Mutant(
        "driven-and-cancelled",
        "a caller that is cancelled leaves a statement that commits to nobody",
        (Edit(STORE + "pool.py", SHIELD, SHIELD.replace("shield=True", "")),),
        (DRIVEN + "test_a_cancelled_caller_waits_for_the_answer_and_the_connection_is_kept[asyncio]",),
    ),
    Mutant(
        "driven-and-lost-for-certain",
        "what was driven when its connection broke is taken not to have been done, and is sent again",
        (
            Edit(
                STORE + "pool.py",
                "                    sent.may_be_done = True\n                    raise",
                "                    raise",
            ),
        ),
        (DRIVEN + "test_where_it_may_not_be_it_is_in_doubt[asyncio]",),
    ),
    Mutant(
        "driven-under-other-settings",
        "a statement is driven on a session that holds the settings of another",
        (Edit(STORE + "connections.py", " if any(conn.holds == wanted for conn in self._idle) else None", ""),),
        (DRIVEN + "test_settings_are_held_by_the_session_a_statement_is_driven_on[asyncio]",),
    ),
    Mutant(
        "driven-for-ever",
        "a silent server is waited for without end",
        (Edit(STORE + "driving.py", "anyio.move_on_after(conn.answer_seconds)", "anyio.move_on_after(30)"),),
        (DRIVEN + "test_silence_is_not_waited_for_and_no_loop_is_held_up_by_it[asyncio]",),
    ),
)
