"""For plugins and scripts that look at jobs and act on them: statements, the values they read, and endpoints.

A statement is run with `app.db.run(look.job(job_id))` and `await app.db.arun(…)`, or with `app.reads` where it only
looks; a function of `run`, such as `act.cancel`, with `app.db.together(lambda run: act.cancel(run, job_id))`.
`with app.db.transaction() as opened:` is for what is stored together with jobs: `opened.run(statement)`, and
`app.enqueue(…, conn=opened.conn)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pgflow.codec import encode_value
    from pgflow.codes import suggested_action
    from pgflow.ids import id_time, parse_id
    from pgflow.model import Attempt, JobRow, OutcomeKind, check_name
    from pgflow.redact import redacted, redacted_args, redacted_text
    from pgflow.retry import DEFAULT_POLICY
    from pgflow.store import buckets, rates
    from pgflow.store.admin import Run, act, doctor, look, stats
    from pgflow.store.admin.dead import DeadFilter, DeadJob, DeadPage, dead_listing
    from pgflow.store.admin.explain import explain
    from pgflow.store.admin.lineage import Lineage, lineage
    from pgflow.store.admin.timeline import timeline
    from pgflow.store.faults import FAULTS, StoreError
    from pgflow.store.statement import Query, Statement, all_rows, first_column, literal, load, nothing
    from pgflow.store.wire import shown_dsn
    from pgflow.task.showing import shown_call
    from pgflow.telling import alarms, life, steps, traces, trees, troubles, words
    from pgflow.views import (
        Bucket,
        Change,
        Check,
        DeadGroup,
        DeadLetter,
        DecisionRow,
        Explanation,
        JobFilter,
        Page,
        QueueLimits,
        QueueRow,
        Source,
        Timeline,
        WorkerRow,
    )
    from pgflow.web import LOCAL, Answer, Call, Credentials, Endpoint, Problem, is_loopback
    from pgflow.worker.lifespans import lifespans
    from pgflow.worker.maintenance import Maintenance, turn, whose_turn

__all__ = [
    "DEFAULT_POLICY",
    "FAULTS",
    "LOCAL",
    "Answer",
    "Attempt",
    "Bucket",
    "Call",
    "Change",
    "Check",
    "Credentials",
    "DeadFilter",
    "DeadGroup",
    "DeadJob",
    "DeadLetter",
    "DeadPage",
    "DecisionRow",
    "Endpoint",
    "Explanation",
    "JobFilter",
    "JobRow",
    "Lineage",
    "Maintenance",
    "OutcomeKind",
    "Page",
    "Problem",
    "Query",
    "QueueLimits",
    "QueueRow",
    "Run",
    "Source",
    "Statement",
    "StoreError",
    "Timeline",
    "WorkerRow",
    "act",
    "alarms",
    "all_rows",
    "buckets",
    "check_name",
    "dead_listing",
    "doctor",
    "encode_value",
    "explain",
    "first_column",
    "id_time",
    "is_loopback",
    "life",
    "lifespans",
    "lineage",
    "literal",
    "load",
    "look",
    "nothing",
    "parse_id",
    "rates",
    "redacted",
    "redacted_args",
    "redacted_text",
    "shown_call",
    "shown_dsn",
    "stats",
    "steps",
    "suggested_action",
    "timeline",
    "traces",
    "trees",
    "troubles",
    "turn",
    "whose_turn",
    "words",
]

_HOMES: Final = {
    "pgflow.codec": ("encode_value",),
    "pgflow.codes": ("suggested_action",),
    "pgflow.ids": (
        "id_time",
        "parse_id",
    ),
    "pgflow.model": (
        "Attempt",
        "JobRow",
        "OutcomeKind",
        "check_name",
    ),
    "pgflow.redact": (
        "redacted",
        "redacted_args",
        "redacted_text",
    ),
    "pgflow.retry": ("DEFAULT_POLICY",),
    "pgflow.store": (
        "buckets",
        "rates",
    ),
    "pgflow.store.admin": (
        "Run",
        "act",
        "doctor",
        "look",
        "stats",
    ),
    "pgflow.store.admin.dead": (
        "DeadFilter",
        "DeadJob",
        "DeadPage",
        "dead_listing",
    ),
    "pgflow.store.admin.explain": ("explain",),
    "pgflow.store.admin.lineage": (
        "Lineage",
        "lineage",
    ),
    "pgflow.store.admin.timeline": ("timeline",),
    "pgflow.store.faults": (
        "FAULTS",
        "StoreError",
    ),
    "pgflow.store.statement": (
        "Query",
        "Statement",
        "all_rows",
        "first_column",
        "literal",
        "load",
        "nothing",
    ),
    "pgflow.store.wire": ("shown_dsn",),
    "pgflow.task.showing": ("shown_call",),
    "pgflow.telling": (
        "alarms",
        "life",
        "steps",
        "traces",
        "trees",
        "troubles",
        "words",
    ),
    "pgflow.views": (
        "Bucket",
        "Change",
        "Check",
        "DeadGroup",
        "DeadLetter",
        "DecisionRow",
        "Explanation",
        "JobFilter",
        "Page",
        "QueueLimits",
        "QueueRow",
        "Source",
        "Timeline",
        "WorkerRow",
    ),
    "pgflow.web": (
        "LOCAL",
        "Answer",
        "Call",
        "Credentials",
        "Endpoint",
        "Problem",
        "is_loopback",
    ),
    "pgflow.worker.lifespans": ("lifespans",),
    "pgflow.worker.maintenance": (
        "Maintenance",
        "turn",
        "whose_turn",
    ),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    # on first use (PEP 562): a worker's plugins have need of a few of these, and the rest is 2 MB
    if name not in _HOME_OF:
        msg = f"module 'pgflow.admin' has no attribute {name!r}"
        raise AttributeError(msg)
    home = _HOME_OF[name]
    value = getattr(import_module(home), name, None) or import_module(f"{home}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
