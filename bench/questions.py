"""The questions a reader asks the admin: every GET endpoint, each list plain, by each filter, by two, and in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

PAGES: Final = 49
NOBODY: Final = "nobody"
ONE_JOB: Final = ("", "/timeline", "/explain", "/lineage")
STATES: Final = ("queued", "scheduled", "running", "retrying", "succeeded", "dead", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Question:
    """A request: the endpoint it goes to, its address, and how a table names it."""

    endpoint: str
    address: str
    name: str


def questions(client: httpx.Client, root: str) -> list[Question]:
    """Make them; `root` is the id of a job with a large family. It asks for some jobs to ask about."""
    return [
        *_lists_of_jobs(client),
        *_lists_of_letters(client),
        *_of_single_jobs(client, root),
        *_of_the_house(),
    ]


def _lists_of_jobs(client: httpx.Client) -> Iterator[Question]:
    now = datetime.now(UTC)
    yesterday, before = now - timedelta(days=1), now - timedelta(days=3)
    yield _to("/jobs")
    yield _to("/jobs", limit=500)
    for state in STATES:
        yield _to("/jobs", state=state)
    one: dict[str, str] = {
        "queue": "queue-3", "job_type": "bench.task_07", "worker": "worker-3-1", "error_code": "TIMEOUT",
        "tag": "customer-10", "dataset": f"{before:%Y%m%d}", "created_after": yesterday.isoformat(),
        "created_before": before.isoformat(), "q": "refused", "arg.order.id": "77",
    }  # fmt: skip
    for name, value in one.items():
        yield _to("/jobs", **{name: value})
    for state in ("queued", "running", "dead", "succeeded", "retrying"):
        yield _to("/jobs", state=state, queue="queue-3")
    yield _to("/jobs", queue="queue-3", job_type="bench.task_07")
    yield _to("/jobs", state="running", worker="worker-3-1")
    yield _to("/jobs", state="dead", error_code="NETWORK")
    yield _to("/jobs", queue="queue-3", created_before=before.isoformat())
    for name in ("queue", "job_type", "worker", "error_code", "tag", "q", "arg.order.id"):
        yield _to("/jobs", **{name: NOBODY})
    yield _to("/jobs", state="queued", tag=NOBODY)
    yield _to("/jobs", state="running", tag=NOBODY)
    yield _to("/jobs", state="dead", q=NOBODY)
    yield _to("/jobs", state="running", limit=500)
    yield _far(client, "/jobs")
    yield _far(client, "/jobs", state="succeeded")


def _lists_of_letters(client: httpx.Client) -> Iterator[Question]:
    yield _to("/dlq")
    for name, value in {
        "queue": "queue-3", "job_type": "bench.task_07", "error_code": "NETWORK", "q": "refused", "open": "true",
        "reason_code": "MAX_ATTEMPTS_EXCEEDED", "worker": "worker-3-1", "tag": "customer-10",
    }.items():  # fmt: skip
        yield _to("/dlq", **{name: value})
    groups = client.get("dlq/groups").json()["items"]
    yield _to("/dlq", fingerprint=groups[-1]["fingerprint"])
    yield _to("/dlq", queue="queue-3", error_code="NETWORK")
    for name in ("queue", "q", "tag", "reason_code"):
        yield _to("/dlq", **{name: NOBODY})
    yield _far(client, "/dlq")
    yield _to("/dlq/groups")
    yield _to("/dlq/groups", queue="queue-3")


def _of_single_jobs(client: httpx.Client, root: str) -> Iterator[Question]:
    for state in ("succeeded", "dead", "queued", "running"):
        job_id = _newest(client, state)
        for part in ONE_JOB:
            yield Question(f"/jobs/{{job_id}}{part}", f"jobs/{job_id}{part}", f"/jobs/{{{state}}}{part}")
    yield Question("/jobs/{job_id}/lineage", f"jobs/{root}/lineage", "/jobs/{of 1,500}/lineage")


def _of_the_house() -> Iterator[Question]:
    for kind in ("ingest", "policy"):
        yield _to(f"/{kind}/decisions")
        yield _to(f"/{kind}/decisions", queue="queue-3")
        yield _to(f"/{kind}/decisions", reason_code="PAYLOAD_TOO_LARGE" if kind == "ingest" else "MAX_IN_FLIGHT")
        yield _to(f"/{kind}/decisions", reason_code=NOBODY)
        yield _to(f"/{kind}/decisions", queue="queue-3", reason_code=NOBODY)
    yield _to("/queues")
    yield Question("/queues/{queue}", "queues/queue-3", "/queues/{queue-3}")
    for path in ("/workers", "/metrics", "/metrics/prom", "/schedules", "/audit"):
        yield _to(path)
    yield _to("/stats", window="1h", step="10s")
    yield _to("/stats", window="24h", step="60s")
    yield _to("/stats", window="24h", step="60s", queue="queue-3")
    for path in ("/health", "/health/live", "/openapi.json", "/ui/"):
        yield _to(path)


def _newest(client: httpx.Client, state: str) -> str:
    told = client.get("jobs", params={"state": state, "limit": 1}).json()
    while not told["items"]:
        told = client.get("jobs", params={"state": state, "limit": 1, "cursor": told["next_cursor"]}).json()
    return str(told["items"][0]["id"])


def _far(client: httpx.Client, path: str, **params: Any) -> Question:
    cursor = None
    for _ in range(PAGES):
        given = {**params, **({"cursor": cursor} if cursor else {})}
        cursor = client.get(path[1:], params=given).json()["next_cursor"]
    address = f"{path[1:]}?{urlencode({**params, 'cursor': cursor})}"
    return Question(path, address, f"{_name(path, params)} page {PAGES + 1}")


def _to(path: str, **params: Any) -> Question:
    return Question(path, path[1:] + (f"?{urlencode(params)}" if params else ""), _name(path, params))


def _name(path: str, params: dict[str, Any]) -> str:
    shown = {name: value[:10] if name.startswith("created") else value for name, value in params.items()}
    return path + (f"?{urlencode(shown)}" if shown else "")
