"""What hooks are given and what they give back: plain values, and no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

Role = Literal["worker", "admin"]
Scope = Literal["read", "operate", "enqueue", "admin"]

SCOPES: Final[tuple[Scope, ...]] = ("read", "operate", "enqueue", "admin")


@dataclass(frozen=True, slots=True)
class Enqueue:
    """One enqueue call, as a hook sees it: `joined` where it rides in a transaction of the caller's."""

    app: Any
    joined: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """The worker a hook is called in."""

    id: str
    host: str
    pid: int
    backend: Literal["asyncio", "trio"]
    queues: tuple[str, ...]
    tasks: tuple[str, ...]


@dataclass(slots=True)
class Claim:
    """A claim about to be made of one queue. A hook lowers `limit`, sets limits for the store to keep, or pauses.

    `limit` is the most jobs to claim now; `max_in_flight` the most in the hands of all workers together, and `rate`
    the most attempts a minute, both kept exactly by the store; None is no limit. `rest_seconds` is how long a queue
    that was held back is left alone before it is tried again.
    """

    app: Any
    worker: WorkerInfo
    queue: str
    limit: int
    max_in_flight: int | None = None
    rate: int | None = None
    rest_seconds: float = 1.0
    reason_code: str | None = None
    reason: str = ""

    def pause(self, reason_code: str, reason: str = "", *, rest_seconds: float = 1.0) -> None:
        """Claim nothing this time; the reason is kept as a policy decision, at a bounded rate."""
        self.limit = 0
        self.reason_code, self.reason, self.rest_seconds = reason_code, reason, rest_seconds


@dataclass(frozen=True, slots=True)
class Dead:
    """A verdict on a failed attempt: give up at once, with this reason in the error's text."""

    reason: str = ""


class LostJob(NamedTuple):
    """A job that a reaper took from a lapsed lease. `outcome` is lost, dead or cancelled."""

    job_id: str
    attempt: int
    outcome: str
    queue: str
    task: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """What a worker is doing, at its heartbeat."""

    slots: int
    running: int
    backlog: int
    leases: int
    unstored: int
    stopping: bool


@dataclass(frozen=True, slots=True)
class Migrations:
    """A folder of a plugin's numbered migrations: `0001_name.sql` and so on, each applied once, in order."""

    folder: Path


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One finding of a health check; `remedy` says what to do where it is not `ok`.

    Only what `blocks` makes `/health` answer 503.
    """

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request. A scope includes none of the others, except that `admin` includes all."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Say whether the actor has a scope."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A link of the admin's navigation; `path` is relative to the admin's root, such as `ui/schedules`."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A box on one of the admin's pages: `render(app)` gives rows of (label, value), shown as text."""

    title: str
    page: str
    render: Callable[[Any], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class AdminExtras:
    """What a plugin adds to the admin: endpoints (`pgflow.admin.Endpoint`), navigation and panels."""

    endpoints: tuple[Any, ...] = ()
    nav: tuple[NavEntry, ...] = ()
    panels: tuple[Panel, ...] = ()


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin as `pgflow plugins` lists it. `why` says why it is off or quarantined."""

    name: str
    version: str | None
    distribution: str | None
    state: Literal["on", "off", "quarantined"]
    hooks: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """Where an open failure happened: the hook and the plugin."""

    hook: str
    plugin: str
    at: datetime
