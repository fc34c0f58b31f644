"""Audits the tables: whether what is on record can have come about without a job lost, run twice or forgotten.

All statements share one snapshot, so what is in motion is seen in one place or the other, and is no finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg import errors as pg

from pgflow.errors import DatabaseUnavailableError
from pgflow.store.statement import Statement, all_rows, load
from pgflow.views import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.store.admin import Run
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Query

SAYS: Final[dict[str, str]] = {
    "I3": "leases on one job never overlap, and it is in one place or has ended",
    "I4": "attempts are numbered without a gap, and failures and crashes spend what they may",
    "I5": "only legal steps: what comes back has an entry, what has ended has none, the dead have letters",
    "I6": "no lease outlives its time",
    "I7": "replays are of what had ended, and lineage has no ring",
    "I8": "what was refused was not stored",
    "I9": "the stats equal a recount",
    "I10": "no limit of a queue was exceeded",
    "I12": "each job runs or has ended, and ends once",
}
REMEDIES: Final[dict[str, str]] = {
    "I6": "start a worker: any worker takes back what another has lost",
}
REPORT_IT: Final = "see docs/how-to/audit.md, and please report it with `pgflow job ID --json`"

NIL: Final = "00000000-0000-0000-0000-000000000000"
SECONDS: Final = 60.0
"""How long one statement may take."""

KEPT_SECONDS: Final = 86_400.0

FIRST: Final = load("audit/first")
WHOLE: Final = load("audit/whole")
INVARIANTS: Final[dict[str, Query]] = {
    "I3": load("audit/leases"),
    "I4": load("audit/attempts"),
    "I5": load("audit/transitions"),
    "I6": load("audit/overdue"),
    "I7": load("audit/lineage"),
    "I8": load("audit/decisions"),
    "I9": load("audit/stats"),
    "I10": load("audit/limits"),
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
    "I7": {
        "ring": "a job descends from itself",
        "root": "a job has not its ancestor's root",
        "early": "a job was replayed before it had ended",
        "letter": "a dead letter was replayed as a job that is not its replay",
        "unmarked": "a dead letter does not name its replay",
    },
    "I8": {
        "stored": "a job was refused and stored",
        "count": "a refusal's count cannot be",
    },
    "I9": {
        "missing": "attempts are not in the stats",
        "surplus": "the stats count attempts that are not on record",
        "histogram": "a histogram does not add up to its count",
    },
    "I10": {
        "in flight": "a run began above its queue's limit of jobs in flight",
        "rate": "a run began above its queue's limit of attempts a minute",
    },
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
    """Judge every invariant that the tables alone can tell.

    Raises `DatabaseUnavailableError`, also where a statement takes longer than the scope allows.
    """
    asked = scope or Scope()
    return pool.snapshot(lambda run: _audit(run, asked), seconds=asked.seconds)


def checks(pool: Pool, scope: Scope | None = None) -> list[Check]:
    """Audit, and give a finding for each invariant, as the doctor does. Raises `DatabaseUnavailableError`."""
    found = audit(pool, scope)
    return [_check(invariant, [v for v in found if v.invariant == invariant]) for invariant in INVARIANTS]


def _check(invariant: str, found: list[Violation]) -> Check:
    if not found:
        return Check(invariant, ok=True, detail=SAYS[invariant])
    told = "; ".join(_told(violation) for violation in found)
    return Check(invariant, ok=False, detail=told, remedy=REMEDIES.get(invariant, REPORT_IT))


def _told(found: Violation) -> str:
    times = "once" if found.count == 1 else f"{found.count:,} times"
    return f"{times}: {found.detail}" + (f", such as {found.sample}" if found.sample else "")


def _audit(run: Run, scope: Scope) -> list[Violation]:
    asked, found = "its scope", []
    try:
        params = _params(run, scope)
        for asked in INVARIANTS:
            found += _judge(run, asked, params)
    except pg.QueryCanceled as error:
        late = f"the audit of {asked} took longer than {scope.seconds:g} s"
        msg = f"{late}: look at fewer jobs (--newest N), or give it more time (--seconds)"
        raise DatabaseUnavailableError(msg) from error
    return found


def _params(run: Run, scope: Scope) -> dict[str, Any]:
    first = None
    if scope.newest is not None:
        first = run(Statement(FIRST, {"newest": scope.newest}, lambda rows: rows[0][0] if rows else None))
    whole = first is None and run(Statement(WHOLE, {"kept": scope.kept_seconds}, lambda rows: bool(rows[0][0])))
    queues = sorted({*scope.limits, *scope.rates})
    return {
        "first": first or NIL,
        "whole": whole,
        "reap": scope.reap_seconds,
        "kept": scope.kept_seconds,
        "queues": queues,
        "flying": [scope.limits.get(queue) for queue in queues],
        "rates": [scope.rates.get(queue) for queue in queues],
    }


def _judge(run: Run, invariant: str, params: Mapping[str, Any]) -> list[Violation]:
    rows = run(Statement(INVARIANTS[invariant], params, all_rows))
    details = DETAILS[invariant]
    return [Violation(invariant, count, sample or "", details[kind]) for kind, count, sample in rows if count]
