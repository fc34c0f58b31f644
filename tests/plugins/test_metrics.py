"""Metrics: what a process counts, what the database adds to it, and how both are read over HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from moves import claim, ended, failed, finish, put
from pgflow import (
    Actor,
    App,
    Claimed,
    DatabaseUnavailableError,
    LostJob,
    NewJob,
    OutcomeKind,
    SettingsError,
    WorkerInfo,
    WorkerStats,
    hookimpl,
)
from pgflow.admin import Call, Problem
from pgflow.plugins.admin import Admin
from pgflow.plugins.metrics import Metrics
from pgflow.plugins.metrics.counts import Counts
from pgflow.plugins.metrics.endpoints import Window
from pgflow.plugins.metrics.sampler import Sampler
from workers import until, work, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.admin import Endpoint
    from pgflow.store.pool import Pool

anyio_only = pytest.mark.anyio
WORKER = WorkerInfo("w1", "host", 1, "asyncio", ("default",), ())
BOUNDS = (0.1, 1.0, 10.0)


class Broken:
    """A plugin whose hook fails."""

    name = "broken"

    @hookimpl
    def pgflow_jobs_claimed(self) -> None:
        raise LookupError("on purpose")


@pytest.fixture
def make_app(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database, with metrics of their own and other plugins."""
    made: list[App] = []

    def make(*plugins: object, dsn: str = migrated_url, **settings: Any) -> App:
        quick = {"poll_interval_ms": 100, "dataset_bucket": "none", "shutdown_grace_seconds": 5, **settings}
        made.append(App("tests", dsn=dsn, plugins=[Metrics(), *plugins], **quick))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """An app with metrics."""
    return make_app()


def endpoints(app: App) -> dict[str, Endpoint]:
    """The plugin's endpoints by their paths."""
    extras = dict(app.hooks.admin_routes(app))["metrics"]
    return {endpoint.path: endpoint for endpoint in extras.endpoints}


def answered(app: App, endpoint: Endpoint, **query: str) -> Any:
    """What an endpoint answers."""
    asked = endpoint.query.model_validate(query) if endpoint.query else None
    return endpoint.answer(Call(app, Actor("test", frozenset({"read"})), {}, asked, None, {}))


def scraped(app: App) -> dict[tuple[str, frozenset[str]], float]:
    """Every sample of a scrape, by its name and the values of its labels."""
    body = answered(app, endpoints(app)["/metrics/prom"]).body
    families = text_string_to_metric_families(body.decode())
    return {(s.name, frozenset(s.labels.values())): s.value for family in families for s in family.samples}


def sample(found: dict[tuple[str, frozenset[str]], float], name: str, *labels: str) -> float | None:
    """One sample."""
    return found.get((f"pgflow_{name}", frozenset(labels)))


def new(queue: str = "default", task: str = "t") -> NewJob:
    return NewJob(id="019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10", queue=queue, task=task)


def test_each_hook_counts_what_it_hears_of(app: App, pool: Pool) -> None:
    put(pool, 4)
    jobs = claim(pool)
    hooks = app.hooks
    hooks.jobs_claimed(WORKER, jobs)
    hooks.attempts_finished(WORKER, [*map(ended, jobs[:3]), failed(jobs[3])])
    hooks.after_enqueue([new(), new(), new("mail")], app)  # type: ignore[arg-type]
    hooks.jobs_lost(
        WORKER, [LostJob("x", 1, "lost", "default", "t", "w9"), LostJob("y", 1, "dead", "default", "t", "w9")]
    )
    hooks.heartbeat(WORKER, WorkerStats(slots=10, running=3, backlog=2, leases=1, unstored=4, stopping=False))
    found = scraped(app)
    task = "tests.task"
    assert sample(found, "jobs_enqueued_total", "default", "t") == 2
    assert sample(found, "jobs_enqueued_total", "mail", "t") == 1
    assert sample(found, "jobs_claimed_total", "default", task) == 4
    assert sample(found, "attempts_total", "default", task, "succeeded") == 3
    assert sample(found, "attempts_total", "default", task, "failed") == 1
    assert sample(found, "jobs_lost_total", "default", "t", "dead") == 1
    assert sample(found, "wait_seconds_count", "default") == 4
    assert sample(found, "run_seconds_count", "default", task) == 4
    assert sample(found, "run_seconds_sum", "default", task) == pytest.approx(0.004)
    assert sample(found, "run_seconds_bucket", "default", task, "0.005") == 4
    assert sample(found, "run_seconds_bucket", "default", task, "+Inf") == 4
    gauges = {name: sample(found, f"worker_{name}") for name in ("slots", "running", "backlog", "leases", "unstored")}
    assert gauges == {"slots": 10, "running": 3, "backlog": 2, "leases": 1, "unstored": 4}


def test_classes_count_up_to_their_bound_and_names_are_bounded() -> None:
    counts = Counts(BOUNDS, most_names=2)
    job = Claimed("l", "j", 1, 0, False, 0, "q", None, None, None, 1, None, False, False, False, None, 0.1, 0)
    counts.claimed([job._replace(waited=seconds) for seconds in (0.05, 0.1, 0.2, 11)])
    assert counts.waits[("q",)].counts == [2, 1, 0, 1]
    assert counts.claims == {("q", "-"): 4}
    counts.enqueued([new(task=f"t{n}") for n in range(5)])
    assert counts.enqueues == {("default", "t0"): 1, ("default", "other"): 4}


def test_what_never_ran_has_no_run_time() -> None:
    counts = Counts(BOUNDS, most_names=2)
    job = Claimed("l", "j", 1, 0, False, 0, "q", "t", None, None, 1, None, False, False, False, None, 0.1, 0)
    counts.finished([ended(job, kind) for kind in OutcomeKind])
    assert sum(counts.runs["q", "t"].counts) == 3
    assert sum(counts.ends.values()) == len(OutcomeKind)


@anyio_only
async def test_a_worker_is_seen_from_its_first_job_to_its_last(app: App) -> None:
    @app.task
    async def fine() -> None:
        pass

    @app.task(max_attempts=1)
    async def bad() -> None:
        raise ValueError("on purpose")

    for _ in range(5):
        await fine.aenqueue()
    await bad.aenqueue()
    await work(app)
    found = scraped(app)
    assert sample(found, "jobs_enqueued_total", "default", fine.name) == 5
    assert sample(found, "jobs_claimed_total", "default", fine.name) == 5
    assert sample(found, "attempts_total", "default", fine.name, "succeeded") == 5
    assert sample(found, "attempts_total", "default", bad.name, "dead") == 1
    assert sample(found, "up") == 1
    assert sample(found, "queue_depth", "default") == 0
    assert sample(found, "running_jobs", "default") == 0
    assert sample(found, "jobs_succeeded_last_60s", "default") == 5
    assert sample(found, "jobs_failed_last_60s", "default") == 1
    (row,) = answered(app, endpoints(app)["/metrics"]).items
    assert (row.queue, row.succeeded, row.failed, row.success_rate) == ("default", 5, 1, pytest.approx(5 / 6))


@anyio_only
async def test_a_worker_that_beats_shows_its_slots(app: App) -> None:
    async with working(app):
        await until(lambda: sample(scraped(app), "worker_slots"))


@anyio_only
async def test_a_plugin_that_fails_is_counted_by_its_name(make_app: Callable[..., App]) -> None:
    app = make_app(Broken())

    @app.task
    async def fine() -> None:
        pass

    await fine.aenqueue()
    await work(app)
    found = scraped(app)
    assert sample(found, "plugin_errors_total", "broken", "pgflow_jobs_claimed") == 1
    assert sample(found, "errors_total", "pgflow_jobs_claimed", "LookupError") == 1
    assert sample(found, "jobs_claimed_total", "default", fine.name) == 1


def test_without_its_database_a_process_still_tells_its_own_numbers(make_app: Callable[..., App]) -> None:
    app = make_app(dsn="postgresql://nobody@127.0.0.1:1/none")
    app.hooks.after_enqueue([new()], app)  # type: ignore[arg-type]
    found = scraped(app)
    assert sample(found, "up") == 0
    assert sample(found, "jobs_enqueued_total", "default", "t") == 1
    assert sample(found, "queue_depth", "default") is None
    with pytest.raises(DatabaseUnavailableError):
        answered(app, endpoints(app)["/metrics"])


def test_a_database_that_hangs_is_waited_for_once_and_not_for_long() -> None:
    asked, answer = [], threading.Event()

    def hang() -> int:
        asked.append(1)
        answer.wait(20)
        return 5

    sampler = Sampler(hang, patience=0.05)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError, match=r"within 0\.05 s"):
            sampler.get()
    answer.set()
    patient = Sampler(hang)
    assert {patient.get(), patient.get()} == {5}
    assert len(asked) == 2


def test_what_waits_is_told_by_queue(app: App, pool: Pool) -> None:
    put(pool, 3)
    put(pool, 2, queue="mail")
    assert len(claim(pool, 1)) == 1
    found = scraped(app)
    assert [sample(found, name, "default") for name in ("queue_depth", "running_jobs")] == [2, 1]
    assert sample(found, "queue_depth", "mail") == 2


def test_every_row_of_metrics_has_the_fields_scripts_read(app: App, pool: Pool) -> None:
    put(pool, 2)
    finish(pool, [ended(job) for job in claim(pool)])
    (row,) = answered(app, endpoints(app)["/metrics"]).items
    fields = [
        "at",
        "queue",
        "runnable_queue_depth",
        "running",
        "jobs_per_sec",
        "success_rate",
        "retry_rate",
        "mean_latency_ms",
        "p50_latency_ms",
        "p95_latency_ms",
        "p99_latency_ms",
        "oldest_wait_ms",
    ]
    told = {field: getattr(row, field) for field in fields}
    assert {field for field, value in told.items() if value is None} == {"oldest_wait_ms"}
    assert told["mean_latency_ms"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("asked", "points", "step"),
    [
        ({}, 60, 60),
        ({"window": "1m"}, 6, 10),
        ({"window": "24h"}, 72, 1_200),
        ({"window": "24h", "step": "1m"}, 1_440, 60),
        ({"window": "3600", "step": "10s"}, 360, 10),
        ({"window": "4h", "step": "10s"}, 1_440, 10),
    ],
)
def test_stats_cover_the_window(app: App, asked: dict[str, str], points: int, step: int) -> None:
    found = answered(app, endpoints(app)["/stats"], **asked)
    assert (len(found["items"]), found["step_seconds"]) == (points, step)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"window": "24h", "step": "10s"}, "multiple of 60 s"),
        ({"window": "14410", "step": "20s"}, "multiple of 60 s"),
        ({"window": "1h", "step": "15s"}, "multiple of 10 s"),
        ({"window": "1m", "step": "5m"}, "longer than the window"),
    ],
)
def test_steps_that_do_not_fit_are_refused(app: App, asked: dict[str, str], words: str) -> None:
    with pytest.raises(Problem, match=words) as refusal:
        answered(app, endpoints(app)["/stats"], **asked)
    assert (refusal.value.status, refusal.value.pointer) == (422, "?step")


@pytest.mark.parametrize(
    "asked",
    [{"window": "59s"}, {"window": "25h"}, {"window": "1d"}, {"window": "-1m"}, {"step": "0s"}, {"step": "9"},
     {"window": "9999999m"}, {"queue": "no queue"}, {"window": ""}, {"windows": "1h"}],
)  # fmt: skip
def test_windows_that_are_none_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Window.model_validate(asked)


@pytest.mark.parametrize("buckets", ["1,1", "0,1", "-1", "a", "inf", ",", "1,2,nan"])
def test_buckets_that_do_not_rise_fail_the_start(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch, buckets: str
) -> None:
    monkeypatch.setenv("PGFLOW_METRICS_BUCKETS", buckets)
    with pytest.raises(SettingsError, match="PGFLOW_METRICS_BUCKETS"):
        assert make_app().hooks


def test_buckets_are_those_of_the_setting(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    monkeypatch.setenv("PGFLOW_METRICS_BUCKETS", "0.5, 2")
    app = make_app()
    put(pool, 1)
    app.hooks.jobs_claimed(WORKER, claim(pool))
    found = scraped(app)
    assert {labels - {"default"} for name, labels in found if name == "pgflow_wait_seconds_bucket"} == {
        frozenset({"0.5"}), frozenset({"2.0"}), frozenset({"+Inf"})
    }  # fmt: skip


def test_the_admin_serves_them(make_app: Callable[..., App], pool: Pool) -> None:
    from pgflow.plugins.admin.address import Address
    from pgflow.plugins.admin.asgi import build
    from pgflow.plugins.admin.server import Server

    app = make_app(Admin())
    put(pool, 3)
    address = Address("127.0.0.1", 0)
    settings: Any = app.hooks.plugins.named("admin")
    server = Server(build(app, settings.settings, address=address), address, trusted_proxies=())
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            assert client.get("/metrics").json()["items"][0]["runnable_queue_depth"] == 3
            prom = client.get("/metrics/prom")
            assert prom.headers["content-type"].startswith("text/plain; version=")
            assert 'pgflow_queue_depth{queue="default"} 3.0' in prom.text
            stats = client.get("/stats", params={"window": "15m"}).json()
            assert len(stats["items"]) == 90
            refused = client.get("/stats", params={"window": "2d"})
            assert (refused.status_code, refused.json()["pointer"]) == (422, "?window")
            paths = client.get("/openapi.json").json()["paths"]
            assert {"/metrics", "/metrics/prom", "/stats"} <= set(paths)
    finally:
        server.stop()
