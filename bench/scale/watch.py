"""What the server's sessions wait for while jobs are drained, and what their claims have read and found."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgflow.store.sending import execute
from pgflow.store.statement import Query, Statement, all_rows

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

LOOK_SECONDS: Final = 0.02
SETTLE_SECONDS: Final = 10.0
ON_CPU: Final = "cpu"
KINDS: Final = {"with picked as": "claim", "with held as m": "finish", "commit": "commit", "COMMIT": "commit"}
"""How the statements begin that are nearly all of the work."""
SESSIONS: Final = """
select case when state = 'active' then coalesce(wait_event_type || ':' || wait_event, 'cpu') end,
  left(ltrim(query, E' \\n'), 14), count(*)
from pg_stat_activity where datname = %s and backend_type = 'client backend' group by 1, 2
"""
LOADED: Final = Query("scale/loaded", "select true from pg_settings where name = 'pg_stat_statements.track'")
CALLS: Final = Query(
    "scale/calls",
    "select sum(s.calls)::float8, sum(s.shared_blks_hit + s.shared_blks_read)::float8 "
    "from pg_stat_statements as s join pg_database as d on d.oid = s.dbid "
    r"where d.datname = current_database() and ltrim(s.query, E' \n') like 'with picked as%%'",
)
TABLES: Final = Query(
    "scale/tables",
    "select r.idx_tup_fetch::float8, r.n_tup_del::float8, r.n_tup_ins::float8, l.n_tup_ins::float8 "
    "from pg_stat_user_tables as r, pg_stat_user_tables as l "
    "where r.relid = 'pgflow.ready'::regclass and l.relid = 'pgflow.leases'::regclass",
)


class Watch:
    """Looks at the sessions of a database every 20 ms, from a session on another one, which no meter counts."""

    def __init__(self, server: str, dsn: str) -> None:
        self._name = conninfo_to_dict(dsn)["dbname"]
        self._conn = psycopg.connect(server, autocommit=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_until_over, name="pgflow-bench-watch", daemon=True)
        self._seen: Counter[str] = Counter()
        self._looks = 0
        self.connections = 0

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()
        self._conn.close()

    def waits(self) -> dict[str, float]:
        """Give how many sessions were at what on average: `claim LWLock:WALWrite`, `finish cpu`."""
        return {name: count / self._looks for name, count in self._seen.most_common()} if self._looks else {}

    def busy(self) -> float:
        """Give how many sessions were at work or waiting in it, on average."""
        return sum(self.waits().values())

    def _look_until_over(self) -> None:
        # at once, too: what is watched may be over before the next look
        while not self._looks or not self._over.wait(LOOK_SECONDS):
            rows = self._conn.execute(SESSIONS, (self._name,)).fetchall()
            self._looks += 1
            self.connections = max(self.connections, sum(count for *_, count in rows))
            for event, begins, count in rows:
                if event is not None:
                    self._seen[f"{KINDS.get(begins, 'other')} {event}"] += count


def claims(pool: Pool) -> dict[str, float | None]:
    """Give what all claims together were, behind the end of the sessions that made them.

    `batch`: jobs to a lease. `read_per_job`: entries of `ready` read for each that was taken, so that what lies over
    one was locked by others, and skipped. Where pg_stat_statements is loaded: `empty_claims`, of a hundred, and
    `claim_buffers_per_job`.
    """
    read, taken, leases = _settled(pool)
    calls, buffers = _calls(pool)
    return {
        "batch": taken / leases if leases else None,
        "read_per_job": read / taken if taken else None,
        "empty_claims": None if not calls else max(0.0, 100 * (1 - leases / calls)),
        "claim_buffers_per_job": None if not calls or not buffers or not taken else buffers / taken,
    }


def _settled(pool: Pool) -> tuple[float, float, float]:
    # a session's counts are known to others once it has ended, or a second later
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        read, taken, put, leases = pool.run(Statement(TABLES, {}, all_rows))[0]
        if (put and taken >= put) or time.monotonic() > until:
            return read, taken, leases
        time.sleep(LOOK_SECONDS)


def _calls(pool: Pool) -> tuple[float | None, float | None]:
    if not pool.run(Statement(LOADED, {}, all_rows)):
        return None, None
    with pool.connection() as conn:
        execute(conn, "scale/extension", "create extension if not exists pg_stat_statements")
    found: Any = pool.run(Statement(CALLS, {}, all_rows))[0]
    return found
