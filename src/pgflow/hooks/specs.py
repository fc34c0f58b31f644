"""The hooks a plugin may implement, in the order a job meets them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from pgflow.errors import Retry, Snooze
    from pgflow.hooks.values import (
        Actor,
        AdminExtras,
        Claim,
        Dead,
        Enqueue,
        HealthCheck,
        LostJob,
        Migrations,
        Role,
        Where,
        WorkerInfo,
        WorkerStats,
    )
    from pgflow.model import Claimed, NewJob, Outcome
    from pgflow.retry import RetryPolicy

GROUP: Final = "pgflow"
hookspec: Final = pluggy.HookspecMarker(GROUP)
hookimpl: Final = pluggy.HookimplMarker(GROUP)


class Policy(StrEnum):
    """What follows where an implementation of a hook fails."""

    START = "start"
    """The start, migration or declaration is refused, naming the plugin."""
    CLOSED = "closed"
    """The request, enqueue or claim is refused, naming the plugin."""
    OPEN = "open"
    """It is logged and counted with the plugin's name, and the work goes on."""


POLICIES: Final[dict[str, Policy]] = {
    "pgflow_configure": Policy.START,
    "pgflow_task_options": Policy.START,
    "pgflow_task_registered": Policy.START,
    "pgflow_migrations": Policy.START,
    "pgflow_lifespan": Policy.START,
    "pgflow_middleware": Policy.START,
    "pgflow_retry_policy": Policy.START,
    "pgflow_before_enqueue": Policy.CLOSED,
    "pgflow_after_enqueue": Policy.OPEN,
    "pgflow_before_claim": Policy.CLOSED,
    "pgflow_jobs_claimed": Policy.OPEN,
    "pgflow_attempts_finished": Policy.OPEN,
    "pgflow_attempt_failed": Policy.OPEN,
    "pgflow_jobs_lost": Policy.OPEN,
    "pgflow_heartbeat": Policy.OPEN,
    "pgflow_maintenance": Policy.OPEN,
    "pgflow_authenticate": Policy.CLOSED,
    "pgflow_authorize": Policy.CLOSED,
    "pgflow_audit": Policy.OPEN,
    "pgflow_admin_app": Policy.START,
    "pgflow_admin_routes": Policy.OPEN,
    "pgflow_health": Policy.OPEN,
    "pgflow_cli": Policy.OPEN,
    "pgflow_error": Policy.OPEN,
}


class Specs:
    """What each hook is for, when it is called and what follows where it fails."""

    @hookspec
    def pgflow_configure(self, app: Any) -> None:
        """Get ready for an app: called once, before its first enqueue or claim. A failure fails the start."""

    @hookspec
    def pgflow_task_options(self) -> Mapping[str, Any] | None:
        """Name the keywords this plugin adds to `@app.task`, each with its type, checked when a task is declared.

        What was given is in `task.declared.extra`. Called when a task is declared with a keyword that is not
        pgflow's own, of a plugin that is switched off too: its keywords are then accepted and have no effect.
        A failure fails the declaration.
        """

    @hookspec
    def pgflow_task_registered(self, task: Any) -> None:
        """Meet a task: called once for each, at start, or when it is declared later. A failure fails the start."""

    @hookspec
    def pgflow_migrations(self) -> Migrations | None:
        """Give the folder of this plugin's migrations; `pgflow migrate` applies them after pgflow's own.

        A failure fails the migration.
        """

    @hookspec
    def pgflow_lifespan(self, app: Any, role: Role) -> AbstractAsyncContextManager[object] | None:
        """Give an async context manager that is entered when a worker or admin starts and left when it stops.

        It runs in a task of its own, on asyncio or trio. A failure while entering fails the start; one later is
        logged and counted, and the worker goes on.
        """

    @hookspec
    def pgflow_middleware(self, task: Any) -> Callable[..., Any] | None:
        """Give a wrapper around each run of a task, or None: called once for each task.

        A wrapper is a generator function of `(job)` that yields once, for any task; or a function of `(job, call)`
        that returns `call()`; for an async task, an async one that returns `await call()`. What it raises fails the
        job. A failure to make one fails the start.
        """

    @hookspec(firstresult=True)
    def pgflow_retry_policy(self, task: Any) -> RetryPolicy | None:
        """Give the retry policy of a task, or None to leave it: called once for each task.

        It takes the place of the task's own, found in `task.declared.retry_policy`. A failure fails the start.
        """

    @hookspec
    def pgflow_before_enqueue(self, jobs: list[NewJob], enqueue: Enqueue) -> None:
        """Judge the jobs of one enqueue call, bulk, replay, schedules and HTTP included.

        It may put other jobs in the places of the list's (`dataclasses.replace`), not add or take away; it raises
        `JobRejected` to refuse all. Any other failure refuses them too: nothing passes a guardrail that cannot judge.
        """

    @hookspec
    def pgflow_after_enqueue(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> None:
        """Hear of jobs that were stored: called once for each enqueue call, behind its statement.

        Where `enqueue.joined`, the caller's transaction may yet roll them back. A failure is logged and counted.
        """

    @hookspec
    def pgflow_before_claim(self, claim: Claim) -> None:
        """Lower a claim's limit, have the store keep a limit over all workers, or pause: called before each claim.

        It judges one queue. A claim may ask several, each of them judged, and be full before it comes to the last; what
        it did not come to is judged again in its turn.

        It is called on the event loop and must not wait. A failure of a plugin with `limits_claims = True` holds the
        queue back for a second; of any other, it is logged and counted, and the claim is made.
        """

    @hookspec
    def pgflow_jobs_claimed(self, worker: WorkerInfo, jobs: Sequence[Claimed]) -> None:
        """Hear of jobs this worker has claimed, from one queue or several. A failure is logged and counted."""

    @hookspec
    def pgflow_attempts_finished(self, worker: WorkerInfo, attempts: Sequence[Outcome]) -> None:
        """Hear of attempts that ended and are stored: called once a flush, with those that were stored only.

        It is called on the event loop; what takes long belongs in a job. A failure is logged and counted.
        """

    @hookspec(firstresult=True)
    def pgflow_attempt_failed(self, job: Claimed, error: BaseException) -> Retry | Dead | Snooze | None:
        """Say what becomes of a failed attempt: a `Retry` with its delay, `Dead`, `Snooze`, or None for the policy.

        A `Retry` says when, not whether: what may not be tried again, or has no attempt left, dies all the same.
        It is called where the job ran: on the event loop, in a thread, or in a child process. A failure is logged
        and counted, and the policy decides.
        """

    @hookspec
    def pgflow_jobs_lost(self, worker: WorkerInfo, jobs: Sequence[LostJob]) -> None:
        """Hear of jobs that this worker's reaper took from lapsed leases. A failure is logged and counted."""

    @hookspec
    def pgflow_heartbeat(self, worker: WorkerInfo, stats: WorkerStats) -> None:
        """Hear what this worker is doing, every few seconds. A failure is logged and counted."""

    @hookspec
    def pgflow_maintenance(self, run: Any) -> None:
        """Tidy up: called in a thread of one worker at a time, every minute over all workers together.

        `run` is a `pgflow.admin.Maintenance`. A failure is logged and counted; the others get their turn.
        """

    @hookspec(firstresult=True)
    def pgflow_authenticate(self, request: Any) -> Actor | None:
        """Say who makes a request of the admin, or None where this plugin cannot tell.

        `request` is a `pgflow.admin.Credentials`. Where every plugin says None, and one implements this, the request
        is refused. A failure refuses it too.
        """

    @hookspec
    def pgflow_authorize(self, actor: Actor, action: str, resource: str) -> bool | None:
        """Say False to forbid an action; any no wins. A failure forbids it.

        `action` is an endpoint's name, such as `cancel_job`, `resource` its path.
        """

    @hookspec
    def pgflow_audit(self, actor: Actor, action: str, resource: str, result: Mapping[str, object]) -> None:
        """Hear of a change made through the admin, done or refused. Called in a thread.

        `result` has `status`, the HTTP status, and what the action says of itself. A failure is logged and counted.
        """

    @hookspec(firstresult=True)
    def pgflow_admin_app(self, app: Any) -> Callable[..., Any] | None:
        """Give the admin as an ASGI app; `app.admin_asgi()` asks for it. A failure fails the admin's start."""

    @hookspec
    def pgflow_admin_routes(self, app: Any) -> AdminExtras | None:
        """Give endpoints, navigation and panels to add to the admin. A failure leaves this plugin's out, logged."""

    @hookspec
    def pgflow_health(self, app: Any) -> Iterable[HealthCheck] | None:
        """Give checks for `/health` and `pgflow doctor`. Called in a thread. A failure counts as a failed check."""

    @hookspec
    def pgflow_cli(self, cli: Any) -> None:
        """Add commands to `pgflow`: `cli` is its typer app. A failure leaves this plugin's commands out, logged."""

    @hookspec
    def pgflow_error(self, where: Where, error: BaseException) -> None:
        """Hear of an open failure, wherever it was. It is never called for a failure of its own."""
