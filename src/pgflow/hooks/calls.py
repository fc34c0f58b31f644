"""The hooks of one app, resolved once to tuples, and what follows where an implementation fails."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pgflow.errors import PgflowError, PluginError
from pgflow.hooks.specs import POLICIES
from pgflow.hooks.values import AdminExtras, HealthCheck, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from pgflow.hooks.loading import Plugins
    from pgflow.hooks.values import Actor, Claim, Enqueue, LostJob, Migrations, Role, WorkerInfo, WorkerStats
    from pgflow.model import Claimed, NewJob, Outcome
    from pgflow.retry import RetryPolicy

logger = logging.getLogger("pgflow")

Implementations = tuple[tuple[str, Any], ...]


class Hooks:
    """Calls what plugins implement; a hook that none implements costs an `if`.

    `errors` counts open failures by (plugin, hook).
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.errors: Counter[tuple[str, str]] = Counter()
        self._telling = threading.local()
        self._of: dict[str, Implementations] = {hook: tuple(plugins.implementations(hook)) for hook in POLICIES}
        self._limiters = frozenset(
            name for name, _ in self._of["pgflow_before_claim"] if getattr(plugins.named(name), "limits_claims", False)
        )

    def has(self, hook: str) -> bool:
        """Say whether any plugin implements a hook."""
        return bool(self._of[hook])

    # at start

    def configure(self, app: object) -> None:
        """Raises `PluginError`, or the `PgflowError` a plugin raises, such as `SettingsError`."""
        self._start("pgflow_configure", app=app)

    def task_registered(self, task: object) -> None:
        """Raises `PluginError`, or the `PgflowError` a plugin raises."""
        self._start("pgflow_task_registered", task=task)

    def migrations(self) -> list[tuple[str, Migrations]]:
        """Give each plugin's folder of migrations. Raises `PluginError`."""
        return [(name, given) for name, given in self._start("pgflow_migrations") if given is not None]

    def lifespans(self, app: object, role: Role) -> list[tuple[str, AbstractAsyncContextManager[object]]]:
        """Give each plugin's lifespan. Raises `PluginError`."""
        made = self._start("pgflow_lifespan", app=app, role=role)
        return [(name, given) for name, given in made if given is not None]

    def middleware(self, task: object) -> list[tuple[str, Callable[..., Any]]]:
        """Give the wrappers around a task's runs, outermost first. Raises `PluginError`."""
        made = self._start("pgflow_middleware", task=task)
        return [(name, given) for name, given in made if given is not None]

    def retry_policy(self, task: object) -> RetryPolicy | None:
        """Give the policy that takes the place of a task's own, where a plugin has one. Raises `PluginError`."""
        return next((given for _, given in self._each_start("pgflow_retry_policy", task=task) if given), None)

    def admin_app(self, app: object) -> Callable[..., Any] | None:
        """Give the admin, or None where no plugin makes one. Raises `PluginError`."""
        return next((given for _, given in self._each_start("pgflow_admin_app", app=app) if given), None)

    # on a job's way

    def before_enqueue(self, jobs: list[NewJob], enqueue: Enqueue) -> None:
        """Let every guardrail judge. Raises `JobRejected`, or `PluginError` where one cannot judge."""
        for name, judge in self._of["pgflow_before_enqueue"]:
            count = len(jobs)
            try:
                judge(jobs=jobs, enqueue=enqueue)
            except PgflowError:
                raise
            except Exception as error:
                raise _refused(name, "pgflow_before_enqueue", error) from error
            if len(jobs) != count:
                msg = (
                    f"plugin {name}: pgflow_before_enqueue changed how many jobs there are, from {count} to {len(jobs)}"
                )
                raise PluginError(msg)

    def after_enqueue(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> None:
        """Tell of stored jobs."""
        if self._of["pgflow_after_enqueue"]:
            self._open("pgflow_after_enqueue", jobs=jobs, enqueue=enqueue)

    def before_claim(self, claim: Claim) -> None:
        """Let every policy judge a claim; one that limits and fails holds the queue back."""
        for name, judge in self._of["pgflow_before_claim"]:
            try:
                judge(claim=claim)
            except Exception as error:  # noqa: BLE001 - reported with the plugin's name
                self.report("pgflow_before_claim", name, error)
                if name in self._limiters:
                    claim.pause("PLUGIN_FAILED", f"plugin {name} cannot judge: {type(error).__name__}: {error}")

    def jobs_claimed(self, worker: WorkerInfo, jobs: Sequence[Claimed]) -> None:
        """Tell of a batch that was claimed."""
        if self._of["pgflow_jobs_claimed"]:
            self._open("pgflow_jobs_claimed", worker=worker, jobs=jobs)

    def attempts_finished(self, worker: WorkerInfo, attempts: Sequence[Outcome]) -> None:
        """Tell of a flush that was stored."""
        if self._of["pgflow_attempts_finished"]:
            self._open("pgflow_attempts_finished", worker=worker, attempts=attempts)

    def attempt_failed(self, job: Claimed, error: BaseException) -> object | None:
        """Ask what becomes of a failed attempt; None leaves it to the policy."""
        for name, judge in self._of["pgflow_attempt_failed"]:
            try:
                verdict: object | None = judge(job=job, error=error)
            except Exception as failure:  # noqa: BLE001 - reported with the plugin's name
                self.report("pgflow_attempt_failed", name, failure)
            else:
                if verdict is not None:
                    return verdict
        return None

    def jobs_lost(self, worker: WorkerInfo, jobs: Sequence[LostJob]) -> None:
        """Tell of jobs taken from lapsed leases."""
        if self._of["pgflow_jobs_lost"]:
            self._open("pgflow_jobs_lost", worker=worker, jobs=jobs)

    def heartbeat(self, worker: WorkerInfo, stats: WorkerStats) -> None:
        """Tell what the worker is doing."""
        if self._of["pgflow_heartbeat"]:
            self._open("pgflow_heartbeat", worker=worker, stats=stats)

    def maintenance(self, run: object) -> None:
        """Let every plugin tidy up."""
        self._open("pgflow_maintenance", run=run)

    # in the admin

    def authenticate(self, request: object) -> Actor | None:
        """Ask who makes a request. Raises `PluginError` where a plugin cannot tell, which refuses it."""
        for name, judge in self._of["pgflow_authenticate"]:
            try:
                actor: Actor | None = judge(request=request)
            except Exception as error:
                raise _refused(name, "pgflow_authenticate", error) from error
            if actor is not None:
                return actor
        return None

    def authorize(self, actor: Actor, action: str, resource: str) -> str | None:
        """Ask whether an action is allowed: None where it is, else the name of the plugin that forbids it."""
        for name, judge in self._of["pgflow_authorize"]:
            try:
                if judge(actor=actor, action=action, resource=resource) is False:
                    return name
            except Exception as error:
                raise _refused(name, "pgflow_authorize", error) from error
        return None

    def audit(self, actor: Actor, action: str, resource: str, result: Mapping[str, object]) -> None:
        """Tell of a change made through the admin."""
        self._open("pgflow_audit", actor=actor, action=action, resource=resource, result=result)

    def admin_routes(self, app: object) -> list[tuple[str, AdminExtras]]:
        """Give what plugins add to the admin; a plugin that fails is left out."""
        made = self._open("pgflow_admin_routes", app=app)
        return [(name, extras) for name, extras in made if isinstance(extras, AdminExtras)]

    def health(self, app: object) -> list[HealthCheck]:
        """Give every plugin's checks; a plugin that fails is a failed check."""
        checks: list[HealthCheck] = []
        for name, tell in self._of["pgflow_health"]:
            try:
                checks.extend(tell(app=app) or ())
            except Exception as error:  # noqa: BLE001 - reported with the plugin's name
                self.report("pgflow_health", name, error)
                checks.append(HealthCheck(name, ok=False, detail=f"its check failed: {type(error).__name__}: {error}"))
        return checks

    def cli(self, cli: object) -> None:
        """Let plugins add commands."""
        self._open("pgflow_cli", cli=cli)

    def report(self, hook: str, plugin: str, error: BaseException) -> None:
        """Log and count an open failure, and tell those who asked to hear of failures."""
        self.errors[plugin, hook] += 1
        logger.error("plugin %s: %s failed: %s: %s", plugin, hook, type(error).__name__, error, exc_info=error)
        if not self._of["pgflow_error"] or getattr(self._telling, "busy", False):
            return
        self._telling.busy = True
        try:
            for name, tell in self._of["pgflow_error"]:
                try:
                    tell(where=Where(hook, plugin, datetime.now(UTC)), error=error)
                except Exception:
                    self.errors[name, "pgflow_error"] += 1
                    logger.exception("plugin %s: pgflow_error failed", name)
        finally:
            self._telling.busy = False

    def _open(self, hook: str, **given: object) -> list[tuple[str, Any]]:
        answers = []
        for name, tell in self._of[hook]:
            try:
                answers.append((name, tell(**given)))
            except Exception as error:  # noqa: BLE001 - reported with the plugin's name
                self.report(hook, name, error)
        return answers

    def _start(self, hook: str, **given: object) -> list[tuple[str, Any]]:
        return list(self._each_start(hook, **given))

    def _each_start(self, hook: str, **given: object) -> Any:
        for name, ask in self._of[hook]:
            try:
                answer = ask(**given)
            except PgflowError:
                raise
            except Exception as error:
                failed = f"plugin {name}: {hook} failed: {type(error).__name__}: {error}"
                msg = f"{failed}; mend it, or switch it off with --no-plugin {name}"
                raise PluginError(msg) from error
            yield name, answer


def _refused(plugin: str, hook: str, error: Exception) -> PluginError:
    return PluginError(f"refused, since plugin {plugin} cannot judge: {hook} failed: {type(error).__name__}: {error}")
