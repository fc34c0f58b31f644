"""Checks that nothing was lost: what clients and tasks noted in their ledgers against what the tables hold.

The tables alone are audited by `pgflow.store.admin.audit`; here are the invariants that need to know what was promised
(I1, I2, I8, I11), what ran (I3, I12) and how things stood before (I7). Jobs carry their token in
`headers={"token": ...}`. A business row is one of `orders_table`, whose column `token` names the job enqueued in its
transaction; such jobs carry `"order": true` beside their token.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from chaos.ledger import read
from pgflow.store.admin.audit import Scope, Violation, audit
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Snapshot", "Violation", "check", "explained"]

Db = psycopg.Connection[Any]
Lines = dict[str, list[dict[str, Any]]]

JOBS: Final = """
select j.id::text, j.headers ->> 'token', j.headers ->> 'order' = 'true', j.replay_of::text, last.outcome
from pgflow.jobs as j
left join (
  select distinct on (a.job_id) a.job_id, a.outcome::text from pgflow.attempts as a
  order by a.job_id, a.attempt desc
) as last on last.job_id = j.id
"""
SUCCEEDED: Final = "select job_id::text, attempt from pgflow.attempts where outcome = 'succeeded'"
RUN_NOW: Final = "select distinct job_id::text from pgflow.attempts where error_code = 'RUN_NOW'"
REFUSED: Final = (
    "select queue, reason_code, sum(count)::bigint from pgflow.decisions"
    " where kind = 'ingest' and decision = 'rejected' group by 1, 2"
)
# what may change is left out: whether a letter was replayed or discarded, and how often a refusal came again
HISTORY: Final = {
    "attempts": "select a.job_id::text || ' attempt ' || a.attempt, md5(a::text) from pgflow.attempts as a",
    "jobs": "select j.id::text, md5(j::text) from pgflow.jobs as j",
    "dead letters": "select d.job_id::text || ' attempt ' || d.attempt, md5(row(d.dead_at, d.queue, d.task,"
    " d.reason_code, d.error_code, d.error_message)::text) from pgflow.dead_letters as d",
    "decisions": "select 'decision ' || d.id, md5(row(d.created_at, d.kind, d.queue, d.task, d.job_id, d.decision,"
    " d.reason_code, d.details::text)::text) from pgflow.decisions as d",
}
REPLAYED: Final = "select job_id::text from pgflow.dead_letters where replayed_as is not null"
RETRIED: Final = "select job_id::text || ' attempt ' || attempt - 1 from pgflow.attempts where error_code = 'RUN_NOW'"
FINAL: Final = frozenset({"succeeded", "dead", "cancelled", "expired"})


class Stored(NamedTuple):
    """A job as the tables have it, with the outcome of its last attempt."""

    job_id: str
    token: str | None
    is_order: bool | None
    replay_of: str | None
    outcome: str | None


class World(NamedTuple):
    """All that is compared: the ledgers' lines by kind, the jobs by id, and those asked for by each token."""

    noted: Lines
    jobs: dict[str, Stored]
    by_token: dict[str, list[Stored]]


def check(
    dsn: str,
    ledger_directory: Path | str | None = None,
    *,
    settled: bool = True,
    limits: Mapping[str, int] | None = None,
    rates: Mapping[str, int] | None = None,
    orders_table: str | None = None,
    reap_seconds: float = 5.0,
    forgotten_claims: bool = False,
    kept_seconds: float = 86_400.0,
    seconds: float = 120.0,
) -> list[Violation]:
    """Judge all twelve invariants; gives what does not hold, nothing where all is well.

    With `settled` every job must have ended. `limits` are jobs in flight, `rates` attempts a minute, by queue, as they
    stood all the time. `forgotten_claims` says that the server was crashed or failed over: a claim is committed
    relaxed, so one may have been forgotten and the same attempt been handed out twice.
    """
    pool = Pool(dsn, size=1)
    try:
        scope = Scope(
            limits=limits or {},
            rates=rates or {},
            reap_seconds=reap_seconds,
            kept_seconds=kept_seconds,
            seconds=seconds,
        )
        found = audit(pool, scope)
    finally:
        pool.close()
    with psycopg.connect(dsn) as db:
        db.execute("set transaction isolation level repeatable read, read only")
        found += _against_ledger(db, ledger_directory, settled=settled, forgotten_claims=forgotten_claims)
        if orders_table is not None:
            found += _orders(db, orders_table)
    return sorted(found, key=lambda v: (int(v.invariant[1:]), v.detail))


class Snapshot(NamedTuple):
    """History at one moment: a digest of every row that never changes, by table and key; which dead were replayed."""

    rows: dict[str, dict[str, str]]
    replayed: frozenset[str]
    retried: frozenset[str]

    @classmethod
    def take(cls, dsn: str) -> Snapshot:
        """Take it of one moment of the database."""
        with psycopg.connect(dsn) as db:
            db.execute("set transaction isolation level repeatable read, read only")
            rows = {table: dict(db.execute(query).fetchall()) for table, query in HISTORY.items()}
            replayed = frozenset(job_id for (job_id,) in db.execute(REPLAYED))
            return cls(rows, replayed, frozenset(run for (run,) in db.execute(RETRIED)))

    def outgrown_by(self, later: Snapshot) -> list[Violation]:
        """Hold it against a later one: nothing may be gone or other. Retention must not have run in between."""
        found: list[Violation] = []
        for table, before in self.rows.items():
            after = later.rows[table]
            # the retry of a dead job takes its letter away, and says so in an attempt
            gone = before.keys() - after.keys() - (later.retried if table == "dead letters" else set())
            found += _violation("I7", f"rows of {table} are gone", gone)
            other = [key for key, digest in before.items() if after.get(key, digest) != digest]
            found += _violation("I7", f"rows of {table} were changed", other)
        letters = {
            key.partition(" ")[0] for key in self.rows["dead letters"].keys() & later.rows["dead letters"].keys()
        }
        return found + _violation("I7", "a dead letter forgot its replay", (self.replayed & letters) - later.replayed)


def explained(violations: Iterable[Violation]) -> str:
    """Say violations in lines, for an assertion's message."""
    return (
        "\n".join(f"{v.invariant}: {v.count} times: {v.detail}, such as {v.sample}" for v in violations)
        or "all is well"
    )


def _against_ledger(
    db: Db, directory: Path | str | None, *, settled: bool, forgotten_claims: bool
) -> Iterator[Violation]:
    jobs = {row[0]: Stored(*row) for row in db.execute(JOBS)}
    if settled:
        yield from _violation("I1", "a job has not ended", [j.job_id for j in jobs.values() if j.outcome not in FINAL])
    if directory is None:
        return
    noted: Lines = defaultdict(list)
    for line in read(directory):
        noted[line["what"]].append(line)
    by_token: dict[str, list[Stored]] = defaultdict(list)
    for job in jobs.values():
        # a replay has the headers of its original
        if job.token is not None and job.replay_of is None:
            by_token[job.token].append(job)
    world = World(noted, jobs, by_token)
    yield from _promised(world)
    yield from _refused(db, world)
    yield from _ran(db, world, forgotten_claims=forgotten_claims)
    yield from _administered(db, world)


def _promised(world: World) -> Iterator[Violation]:
    noted, jobs, by_token = world
    kept = {line["token"] for line in noted["enqueued"]}
    asked = {line["token"] for kind in ("asked", "unanswered", "enqueued") for line in noted[kind]}
    rolled_back = {line["token"] for line in noted["rolled_back"]}
    refused = {line["token"] for line in noted["refused"]}
    gone = [line["job_id"] for line in noted["enqueued"] if line["job_id"] not in jobs]
    yield from _violation("I1", "an acknowledged enqueue is not in the tables", gone)
    twice = {token for token, stored in by_token.items() if len(stored) > 1}
    yield from _violation("I1", "an acknowledged enqueue is there twice", twice & kept)
    yield from _violation("I2", "an enqueue whose fate was unknown is there twice", (twice & asked) - kept)
    yield from _violation("I2", "a job is there that nobody asked for", by_token.keys() - asked - rolled_back - refused)
    yield from _violation("I8", "a refused enqueue is in the tables", (refused - kept) & by_token.keys())
    yield from _violation(
        "I11", "a job is there whose transaction was rolled back", (rolled_back - kept) & by_token.keys()
    )


def _refused(db: Db, world: World) -> Iterator[Violation]:
    told = Counter((line["queue"], line["reason_code"]) for line in world.noted["refused"])
    kept = {(queue, reason): count for queue, reason, count in db.execute(REFUSED)}
    missing = [f"{reason} in {queue}" for (queue, reason), n in told.items() if kept.get((queue, reason), 0) < n]
    yield from _violation("I8", "refusals are not on record", missing)


def _ran(db: Db, world: World, *, forgotten_claims: bool) -> Iterator[Violation]:
    began = Counter((line["job_id"], line["attempt"]) for line in world.noted["began"])
    ended = {(line["job_id"], line["attempt"]) for line in world.noted["ended"]}
    if not forgotten_claims:
        yield from _violation("I3", "one attempt was begun twice", [_run(*run) for run, n in began.items() if n > 1])
    mine = {stored.job_id for stored in world.jobs.values() if stored.token is not None}
    succeeded = [(job_id, attempt) for job_id, attempt in db.execute(SUCCEEDED) if job_id in mine]
    unbegun = [_run(*run) for run in succeeded if run not in began]
    yield from _violation("I12", "a run succeeded that never began", unbegun)
    unended = [_run(*run) for run in succeeded if run in began and run not in ended]
    yield from _violation("I12", "a run succeeded that did not come to its end", unended)
    unknown = [_run(*run) for run in began if run[0] not in world.jobs]
    yield from _violation("I1", "a job ran that is not in the tables", unknown)


def _administered(db: Db, world: World) -> Iterator[Violation]:
    noted, jobs, _ = world
    strays = [
        line["new"] for line in noted["replayed"] if getattr(jobs.get(line["new"]), "replay_of", None) != line["old"]
    ]
    yield from _violation("I7", "an acknowledged replay is not that of its original", strays)
    hastened = {job_id for (job_id,) in db.execute(RUN_NOW)}
    unheard = [line["job_id"] for line in noted["retried"] if line["job_id"] not in hastened]
    yield from _violation("I7", "an acknowledged retry is not on record", unheard)
    lost = [line["job_id"] for line in noted["cancelled"] if line["job_id"] not in jobs]
    yield from _violation("I1", "a cancelled job is not in the tables", lost)


def _orders(db: Db, table: str) -> Iterator[Violation]:
    name = sql.Identifier(*table.split("."))
    rows = {token for (token,) in db.execute(sql.SQL("select token::text from {}").format(name))}
    jobs: dict[str, list[Stored]] = defaultdict(list)
    for row in db.execute(JOBS):
        job = Stored(*row)
        if job.is_order and job.token is not None and job.replay_of is None:
            jobs[job.token].append(job)
    yield from _violation("I11", "a business row has no job", rows - jobs.keys())
    yield from _violation("I11", "a job has no business row", jobs.keys() - rows)
    yield from _violation(
        "I11", "a business row has two jobs", [token for token in rows if len(jobs.get(token, ())) > 1]
    )


def _run(job_id: str, attempt: int) -> str:
    return f"{job_id} attempt {attempt}"


def _violation(invariant: str, detail: str, found: Iterable[str]) -> list[Violation]:
    names = sorted(found)
    return [Violation(invariant, len(names), names[0], detail)] if names else []
