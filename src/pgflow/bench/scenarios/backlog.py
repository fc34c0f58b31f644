"""Backlog: what a claim costs with millions waiting, over what it costs with ten thousand; and what a reader waits."""

from __future__ import annotations

import http.client
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pgflow.bench.scenario import Scenario
from pgflow.bench.scenarios.latency import at_share
from pgflow.bench.stage import Load, renamed
from pgflow.bench.turns import medians, ratio
from pgflow.plugins.admin.address import Address
from pgflow.plugins.admin.server import Server
from pgflow.store.sending import execute
from pgflow.store.statement import Query

if TYPE_CHECKING:
    from pgflow.bench.crew import Crew
    from pgflow.bench.stage import Bench, Figures

MILLIONS: Final = (1, 5, 10)
SHALLOW_JOBS: Final = 10_000
BATCH: Final = 512
BATCHES: Final = 10
ROUNDS: Final = 4
# as autovacuum will have done in a real backlog, instead of in the middle of what is measured
VACUUM: Final = Query("bench/vacuum", "vacuum (analyze) pgflow.jobs, pgflow.ready")
EMPTY: Final = Query("bench/empty", "truncate pgflow.jobs, pgflow.ready, pgflow.leases")
QUESTIONS: Final = ("jobs", "metrics")
TIMES: Final = 20
PATIENCE_SECONDS: Final = 60.0


def backlog(bench: Bench, usual: int) -> Figures:
    """Claim from ten thousand, from the backlog, from ten thousand again; and ask the admin of the backlog."""
    depth = bench.jobs(usual)
    shallow = min(SHALLOW_JOBS, depth)
    claims = min(BATCHES * BATCH, shallow // 2)
    with bench.crew(1) as crew:
        bench.fill(Load(jobs=shallow))
        before = _claimed(bench, crew, claims)
        bench.fill(Load(jobs=depth - shallow))
        _execute(bench, VACUUM)
        many = medians(_claimed(bench, crew, claims))
        reads = _reads(bench)
        # minutes lie between, in which a shared machine may have changed its speed: half of the others come after
        _execute(bench, EMPTY)
        bench.fill(Load(jobs=shallow))
        few = medians([*before, *_claimed(bench, crew, claims)])
    return {
        **many,
        "over_shallow": ratio(many["jobs_per_sec"], few["jobs_per_sec"]),
        "cpu_over_shallow": ratio(many["cpu_us_per_job"], few["cpu_us_per_job"]),
        **renamed(few, "shallow"),
        **reads,
        "workers": 1,
    }


def _claimed(bench: Bench, crew: Crew, claims: int) -> list[Figures]:
    seen = []
    for _ in range(1 + ROUNDS):
        seen.append(bench.told(crew, "claim", jobs=claims, batch=min(BATCH, claims)).figures(claims))
        bench.fill(Load(jobs=claims))
    return seen[1:]


def _execute(bench: Bench, query: Query) -> None:
    with bench.pool.patient() as conn:
        execute(conn, query.name, query.text)


def _reads(bench: Bench) -> Figures:
    asgi: Any = bench.app.admin_asgi()
    server = Server(asgi, Address("127.0.0.1", 0))
    server.start()
    try:
        figures: Figures = {}
        for path in QUESTIONS:
            seen = _asked(server.url, path)
            figures[f"get_{path}_p50_ms"], figures[f"get_{path}_max_ms"] = at_share(seen, 0.5), max(seen)
    finally:
        server.stop()
    return figures


def _asked(url: str, path: str) -> list[float]:
    conn = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=PATIENCE_SECONDS)
    seen = []
    for _ in range(1 + TIMES):
        began = time.perf_counter()
        conn.request("GET", f"/{path}")
        answer = conn.getresponse()
        answer.read()
        seen.append((time.perf_counter() - began) * 1e3)
        if answer.status != http.client.OK:
            msg = f"GET /{path} answered {answer.status} {answer.reason}"
            raise RuntimeError(msg)
    conn.close()
    return seen[1:]


SCENARIOS: Final = tuple(
    Scenario(
        name=f"backlog-{millions}m",
        about=f"claims with {millions},000,000 queued, over claims with {SHALLOW_JOBS:,}; GET /jobs and /metrics",
        run=partial(backlog, usual=millions * 1_000_000),
        jobs=millions * 1_000_000,
    )
    for millions in MILLIONS
)
