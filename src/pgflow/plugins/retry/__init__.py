"""Retries: policies for single errors and for all tasks, and a budget that keeps a storm of them behind fresh work."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from pgflow import Fixed, JobError, OutcomeKind, Retry, TaskDefinitionError, hookimpl
from pgflow.plugins.retry.budget import Budget
from pgflow.plugins.retry.policies import ByError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgflow import Claimed, Outcome
    from pgflow.plugins.retry.policies import Policy

MOST_SECONDS: Final = 30 * 86_400
RAN: Final = frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.DEAD})


class RetryPolicies:
    """Says when failed runs are tried again. Keywords are its settings, `RetrySettings`."""

    name = "retry"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._default: Policy | None = None
        self._budget: Budget | None = None
        self._tasks: dict[str, Any] = {}

    @hookimpl
    def pgflow_configure(self) -> None:
        """Read the settings. Raises `SettingsError`."""
        from pgflow.plugins.retry.settings import RetrySettings  # noqa: PLC0415 - no command's help needs it

        settings = RetrySettings.read(**self._given)
        self._default = settings.made()
        self._budget = Budget(settings.budget_percent, settings.budget_floor) if settings.budget_percent else None

    @hookimpl
    def pgflow_task_options(self) -> Mapping[str, Any]:
        """Add `retry_for=`: a policy or a number of seconds by class of errors."""
        from collections.abc import Callable  # noqa: PLC0415
        from typing import Annotated  # noqa: PLC0415

        from pydantic import Field  # noqa: PLC0415 - no command's help needs it

        seconds = Annotated[float, Field(strict=True, ge=0, le=MOST_SECONDS)]
        span = Annotated[timedelta, Field(strict=True, ge=timedelta(0), le=timedelta(seconds=MOST_SECONDS))]
        kinds: Any = span | seconds
        return {"retry_for": dict[type[BaseException], kinds | Callable[..., Any]]}

    @hookimpl
    def pgflow_task_registered(self, task: Any) -> None:
        """Note a task. Raises `TaskDefinitionError` where its `retry_for` names an error that is never tried again."""
        for kind in task.declared.extra.get("retry_for", ()):
            if not _may_be_retried(task.declared, kind):
                msg = (
                    f"task {task.name}: retry_for names {kind.__name__}, which autoretry_for or dont_autoretry_for "
                    "keeps from being tried again: take it out of one of them"
                )
                raise TaskDefinitionError(msg)
        self._tasks[task.name] = task

    @hookimpl(trylast=True)
    def pgflow_retry_policy(self, task: Any) -> Policy | None:
        """Give a task's policy: what `retry_for` says, else its own, else that of the settings."""
        from pgflow.admin import DEFAULT_POLICY  # noqa: PLC0415 - no command's help needs it

        own = task.declared.retry_policy
        policy = self._default if own is DEFAULT_POLICY and self._default is not None else own
        by_error = task.declared.extra.get("retry_for")
        if by_error:
            return ByError({kind: _policy(given) for kind, given in by_error.items()}, policy)
        return policy if policy is not own else None

    @hookimpl
    def pgflow_jobs_claimed(self) -> None:
        """Have the budget hold, since this process is a worker."""
        if self._budget is not None:
            self._budget.hold()

    @hookimpl
    def pgflow_attempts_finished(self, attempts: Sequence[Outcome]) -> None:
        """Count fresh work: first runs, however they ended, and retries that succeeded."""
        if self._budget is not None:
            fresh = [o for o in attempts if o.kind in RAN and (not o.job.spent or o.kind is OutcomeKind.SUCCEEDED)]
            self._budget.worked(Counter(o.job.queue for o in fresh))

    @hookimpl(trylast=True)
    def pgflow_attempt_failed(self, job: Claimed, error: BaseException) -> Retry | None:
        """Put a retry off that is over its queue's budget: by its policy's delay and its place in line."""
        task = self._tasks.get(job.task or "")
        if self._budget is None or task is None or not _is_retried(task, job, error):
            return None
        wait = self._budget.wait(job.queue)
        if not wait:
            return None
        delay = _asked_for(error)
        if delay is None:
            delay = task.wiring.policy(job.spent + 1, error)
        return None if delay is None else Retry(delay + wait)


def _policy(given: Any) -> Policy:
    if callable(given):
        return cast("Policy", given)
    return Fixed(given.total_seconds() if isinstance(given, timedelta) else given)


def _may_be_retried(declared: Any, kind: type[BaseException]) -> bool:
    if declared.dont_autoretry_for and issubclass(kind, declared.dont_autoretry_for):
        return False
    wanted = declared.autoretry_for
    return not wanted or issubclass(kind, wanted) or any(issubclass(one, kind) for one in wanted)


def _is_retried(task: Any, job: Claimed, error: BaseException) -> bool:
    if job.spent + 1 >= job.max_attempts:
        return False
    if isinstance(error, JobError):
        return error.retryable
    return isinstance(error, Retry) or bool(task.declared.retries(error))


def _asked_for(error: BaseException) -> float | None:
    if not isinstance(error, Retry) or error.delay is None:
        return None
    return error.delay.total_seconds() if isinstance(error.delay, timedelta) else float(error.delay)
