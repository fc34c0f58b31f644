"""`pgflow doctor --audit`: clean while a worker works, exit code 1 and a job's id where an invariant is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moves import put

if TYPE_CHECKING:
    import psycopg
    from cli_runs import Command

    from pgflow.store.pool import Pool

ALL = ["I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12"]


def test_a_sound_database_passes_each_invariant(pgflow: Command, pool: Pool) -> None:
    put(pool, 5)
    told = pgflow.json("doctor", "--audit")
    assert told["ok"]
    assert [(check["name"], check["ok"]) for check in told["checks"]] == [(name, True) for name in ALL]
    shown = pgflow("doctor", "--audit", "--newest", "2").stdout
    assert "WRONG" not in shown
    assert "the stats equal a recount" in shown


def test_a_broken_invariant_ends_with_exit_code_1_and_names_a_job(
    pgflow: Command, pool: Pool, db: psycopg.Connection[Any]
) -> None:
    old, _ = put(pool), put(pool, 3)
    db.execute("delete from pgflow.ready where job_id = %s", old)
    told = pgflow.json("doctor", "--audit", code=1)
    [wrong] = [check for check in told["checks"] if not check["ok"]]
    assert wrong["name"] == "I12"
    assert old[0] in wrong["detail"]
    assert "audit.md" in wrong["remedy"]
    assert "WRONG" in pgflow("doctor", "--audit", code=1).stdout
    assert pgflow.json("doctor", "--audit", "--newest", "3")["ok"], "the job is older than those looked at"


def test_an_audit_that_takes_too_long_says_how_to_ask_for_less(
    pgflow: Command, pool: Pool, db: psycopg.Connection[Any]
) -> None:
    with db.transaction():
        db.execute("lock table pgflow.attempts in access exclusive mode")
        assert "--newest" in pgflow.refused("doctor", "--audit", "--seconds", "0.2", code=3)
