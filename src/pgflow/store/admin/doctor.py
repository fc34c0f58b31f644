"""Examines the database: what must hold, what slows it down, and what to do. It changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgflow.errors import SchemaMismatchError
from pgflow.store import buckets
from pgflow.store.admin import look
from pgflow.store.migrate import OLDEST_SERVER, pending
from pgflow.store.statement import Statement, all_rows, load
from pgflow.views import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.store.migrate import Migration
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Query, Rows

CLOCK_OFF_SECONDS: Final = 5.0
OLD_TRANSACTION_SECONDS: Final = 60.0
DEAD_ROWS_BEARABLE: Final = 50_000
DEFAULT_ROWS_BEARABLE: Final = 100_000
SERVER: Final = load("admin/doctor_server")
PLACES: Final = load("admin/doctor_places")
ORPHANS: Final = load("admin/doctor_orphans")
LETTERS: Final = load("admin/doctor_letters")
LEASES: Final = load("admin/doctor_leases")
TRANSACTIONS: Final = load("admin/doctor_transactions")
BLOAT: Final = load("admin/doctor_bloat")
DEFAULT: Final = load("admin/doctor_default")

REPORT_IT: Final = "this should never be: please report it, with the job's timeline (`pgflow job ID --json`)"


def examine(pool: Pool, plugins: Sequence[Migration] = ()) -> list[Check]:
    """Run every check; without the right schema only those that need none.

    Of jobs the newest 100,000 are looked at, of dead letters 20,000. Raises `DatabaseUnavailableError`.
    """
    first = [
        _server(pool),
        _writable(pool),
        _schema(pool, plugins),
        _clock(pool),
        _autovacuum(pool),
        _transactions(pool),
    ]
    if not first[2].ok:
        return first
    return first + [check for examined in CHECKS for check in examined(pool)]


def old_transactions() -> Statement[list[tuple[str, float]]]:
    """List the five oldest transactions that are open for over 60 s: who, and for how many seconds."""
    return Statement(TRANSACTIONS, {"seconds": OLD_TRANSACTION_SECONDS}, lambda rows: [(r[0], r[1]) for r in rows])


def lapsed_leases() -> Statement[tuple[int, int, float]]:
    """Count the leases nobody has taken back 10 s after they lapsed, their jobs, and the seconds since the first."""
    return Statement(LEASES, {}, lambda rows: (rows[0][0], rows[0][1], rows[0][2]))


def _server(pool: Pool) -> Check:
    version, number, _, _ = _rows(pool, SERVER)[0]
    return _check("server", number >= OLDEST_SERVER, f"PostgreSQL {version}", "move to PostgreSQL 14 or later")


def _writable(pool: Pool) -> Check:
    follows = _rows(pool, SERVER)[0][2]
    detail = "it only follows another server" if follows else "it takes writes"
    return _check("primary", not follows, detail, "point PGFLOW_DATABASE_URL at the primary")


def _autovacuum(pool: Pool) -> Check:
    on = _rows(pool, SERVER)[0][3]
    remedy = "set autovacuum and track_counts on: ready grows without them"
    return _check("autovacuum", on, "on" if on else "off", remedy)


def _schema(pool: Pool, plugins: Sequence[Migration]) -> Check:
    try:
        missing = pending(pool, plugins)
    except SchemaMismatchError as error:
        return Check("schema", ok=False, detail=str(error), remedy="run the pgflow that made the schema, or upgrade")
    names = ", ".join(m.label for m in missing)
    return _check("schema", not missing, f"not applied: {names}" if names else "up to date", "run `pgflow migrate`")


def _clock(pool: Pool) -> Check:
    offset = pool.clock_offset()
    side = "ahead of" if offset > 0 else "behind"
    detail = f"the database's clock is {abs(offset):.3f} s {side} this machine's"
    return _check("clock", abs(offset) < CLOCK_OFF_SECONDS, detail, "run NTP on both machines")


def _transactions(pool: Pool) -> Check:
    rows = pool.run(old_transactions())
    none = f"none is older than {OLD_TRANSACTION_SECONDS:.0f} s"
    detail = ", ".join(f"{who} for {seconds:.0f} s" for who, seconds in rows) or none
    return _check("transactions", not rows, detail, "end them: what was deleted since cannot be cleaned up")


def _buckets(pool: Pool) -> list[Check]:
    now = pool.run(Statement(buckets.CLOCK, {}, lambda rows: datetime.fromtimestamp(rows[0][0], UTC)))
    made = [bucket for bucket in pool.run(buckets.listing()) if bucket.ends_at is not None]
    ends = max((bucket.ends_at for bucket in made if bucket.ends_at), default=None)
    ahead = ends is None or ends > now + timedelta(hours=1)
    detail = f"{len(made)}, made until {ends:%Y-%m-%d %H:%M} UTC" if ends else "none: all share the default partition"
    stray = _rows(pool, DEFAULT)[0][0]
    few = stray <= DEFAULT_ROWS_BEARABLE
    return [
        _check("buckets", ahead, detail, "start a worker: it makes buckets ahead; its log says what stops it"),
        _check("default partition", few or not made, f"{stray:,} jobs" if few else "over 100,000 jobs",
               "prune: a bucket is dropped whole, these rows are not"),
    ]  # fmt: skip


def _places(pool: Pool) -> list[Check]:
    seen, lost, lost_id, misfiled, misfiled_id, misnumbered, misnumbered_id = _rows(pool, PLACES)[0]
    of = f"of the newest {seen:,} jobs"
    return [
        _finding("places", lost, lost_id, f"{of} not in exactly one place"),
        _finding("keys", misfiled, misfiled_id, f"{of} filed under another key than their own"),
        _finding("numbers", misnumbered, misnumbered_id, f"{of} with a gap between their attempts"),
    ]


def _entries(pool: Pool) -> list[Check]:
    orphans, orphan = _rows(pool, ORPHANS)[0]
    letters, letter = _rows(pool, LETTERS)[0]
    return [
        _finding("entries", orphans, orphan, "entries without a job"),
        _finding("dead letters", letters, letter, "open dead letters of jobs that are not dead"),
    ]


def _leases(pool: Pool) -> list[Check]:
    leases, jobs, seconds = pool.run(lapsed_leases())
    detail = f"{leases} with {jobs} jobs lapsed up to {seconds:.0f} s ago" if leases else "none is overdue"
    return [_check("leases", not leases, detail, "start a worker: any worker takes back what another has lost")]


def _bloat(pool: Pool) -> list[Check]:
    rows = _rows(pool, BLOAT)
    heavy = [name for name, live, dead in rows if dead > max(DEAD_ROWS_BEARABLE, live)]
    detail = ", ".join(f"{name} {dead:,}" for name, _, dead in rows)
    remedy = "look at `transactions` above; where there is none, see that autovacuum keeps up"
    return [_check("dead rows", not heavy, detail, remedy)]


def _workers(pool: Pool) -> list[Check]:
    workers = pool.run(look.workers())
    silent = [worker for worker in workers if not worker.alive]
    said = ", ".join(f"{worker.id} for {worker.beat_age:.0f} s" for worker in silent[:5])
    waiting = [queue for queue in pool.run(look.queues()) if queue.depth and not (queue.workers or queue.paused)]
    queues = ", ".join(f"{queue.name} ({queue.depth:,})" for queue in waiting[:5])
    remedy = f"start a worker: `pgflow worker -Q {','.join(queue.name for queue in waiting[:5])}`"
    return [
        _check("workers", not silent, f"silent: {said}" if silent else f"{len(workers)} alive",
               "look on their machines: a crash, a kill for memory, a blocked process"),
        _check("queues", not waiting, f"nobody takes {queues}" if waiting else "each that waits has a worker", remedy),
    ]  # fmt: skip


def _finding(name: str, count: int, example: str | None, what: str) -> Check:
    detail = f"{count:,} {what}" + (f", such as {example}" if example else "")
    return _check(name, not count, detail, REPORT_IT)


def _check(name: str, ok: bool, detail: str, remedy: str) -> Check:  # noqa: FBT001 - a private shorthand
    return Check(name, ok=bool(ok), detail=detail, remedy="" if ok else remedy)


def _rows(pool: Pool, query: Query) -> Rows:
    return pool.run(Statement(query, {}, all_rows))


CHECKS: Final[tuple[Callable[[Pool], list[Check]], ...]] = (
    _buckets, _places, _entries, _leases, _bloat, _workers,
)  # fmt: skip
