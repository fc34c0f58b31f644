"""Audits the tables: whether what is on record can have come about without a job lost, run twice or forgotten.

All statements share one snapshot, so what is in motion is seen in one place or the other, and is no finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pgflow.store.statement import Statement, all_rows, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.store.admin import Run
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Query

NIL: Final = "00000000-0000-0000-0000-000000000000"
SECONDS: Final = 60.0
"""How long one statement may take."""

KEPT_SECONDS: Final = 86_400.0

FIRST: Final = load("audit/first")
INVARIANTS: Final[dict[str, Query]] = {
    "I3": load("audit/leases"),
    "I4": load("audit/attempts"),
    "I5": load("audit/transitions"),
    "I6": load("audit/overdue"),
    "I12": load("audit/results"),
}

DETAILS: Final[dict[str, dict[str, str]]] = {
    "I3": {
        "overlap": "a run began before the one before it had ended",
        "backwards": "a run ended before it began",
        "twice": "a job stands in more than one place",
        "ended": "a job that has ended still has an entry or a lease",
        "claimed": "a job was leased before its last run had ended",
    },
    "I4": {
        "gap": "attempts are not numbered from 1 without a gap",
        "number": "an entry or a lease has not the number that comes next",
        "spent": "an attempt spent what its outcome does not spend",
        "failures": "a job failed more often than it may",
        "allowance": "a dead job that was retried was not given one more try",
        "guilty": "a crash was held against a job that had not run alone as a suspect",
        "suspect": "a lost job is not to run alone",
    },
    "I5": {
        "revived": "a job went on after it had ended",
        "next run": "an attempt says when the next one is due and there is none, or does not say it",
        "dropped": "a job is to run again and nothing will run it",
        "misfiled": "an entry stands under another key than its job's",
        "orphan": "an entry or a lease has no job",
        "letter": "a dead letter is of a job that is not dead",
        "unburied": "a dead job has no dead letter",
    },
    "I6": {"overdue": "a lease lapsed and nobody has taken it back"},
    "I12": {
        "never": "a job has not run and nothing will run it",
        "again": "a job ended twice",
        "unrun": "a result is of no run",
    },
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an invariant does not hold: how often, with one job's id where there is one, in words."""

    invariant: str
    count: int
    sample: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to look at, and by what to judge it.

    `newest`: so many jobs at most, None for all. `reap_seconds`: the workers' time between two reapings.
    `kept_seconds`: the least time for which retention keeps any record. `seconds`: what one statement may take.
    """

    newest: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, int] = field(default_factory=dict)
    reap_seconds: float = 5.0
    kept_seconds: float = KEPT_SECONDS
    seconds: float = SECONDS


def audit(pool: Pool, scope: Scope | None = None) -> list[Violation]:
    """Judge every invariant that the tables alone can tell. Raises `DatabaseUnavailableError`, also where it takes long."""
    asked = scope or Scope()
    return pool.snapshot(lambda run: _audit(run, asked), seconds=asked.seconds)


def _audit(run: Run, scope: Scope) -> list[Violation]:
    first = None
    if scope.newest is not None:
        first = run(Statement(FIRST, {"newest": scope.newest}, lambda rows: rows[0][0]))
    params = {"first": first or NIL, "reap": scope.reap_seconds, "kept": scope.kept_seconds}
    return [found for invariant in INVARIANTS for found in _judge(run, invariant, params)]


def _judge(run: Run, invariant: str, params: Mapping[str, Any]) -> list[Violation]:
    rows = run(Statement(INVARIANTS[invariant], params, all_rows))
    details = DETAILS[invariant]
    return [Violation(invariant, count, sample or "", details[kind]) for kind, count, sample in rows if count]
