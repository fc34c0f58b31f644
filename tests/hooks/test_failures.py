"""What follows where an implementation of a hook fails: each hook, its policy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import Actor, App, Claim, PluginError, Where, hookimpl
from pgflow.hooks import POLICIES, Hooks, Policy, WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Callable

INFO = WorkerInfo("w", "host", 1, "asyncio", ("default",), ())
ACTOR = Actor("me", frozenset({"read"}))


def failing(hook: str, arguments: tuple[str, ...]) -> object:
    """A plugin whose implementation of one hook raises."""
    scope: dict[str, Any] = {"hookimpl": hookimpl}
    exec(f"@hookimpl\ndef {hook}(self, {', '.join(arguments)}):\n    raise RuntimeError('out of order')\n", scope)  # noqa: S102
    return type("Broken", (), {hook: scope[hook], "name": "broken", "limits_claims": True})()


class Listening:
    def __init__(self) -> None:
        self.heard: list[tuple[Where, BaseException]] = []

    @hookimpl
    def pgflow_error(self, where: Where, error: BaseException) -> None:
        self.heard.append((where, error))


def claim() -> Claim:
    return Claim(None, INFO, "default", 10)


CALLS: dict[str, tuple[tuple[str, ...], Callable[[Hooks], object]]] = {
    "pgflow_configure": (("app",), lambda hooks: hooks.configure(None)),
    "pgflow_task_registered": (("task",), lambda hooks: hooks.task_registered(None)),
    "pgflow_migrations": ((), lambda hooks: hooks.migrations()),
    "pgflow_lifespan": (("app", "role"), lambda hooks: hooks.lifespans(None, "worker")),
    "pgflow_middleware": (("task",), lambda hooks: hooks.middleware(None)),
    "pgflow_retry_policy": (("task",), lambda hooks: hooks.retry_policy(None)),
    "pgflow_admin_app": (("app",), lambda hooks: hooks.admin_app(None)),
    "pgflow_before_enqueue": (("jobs",), lambda hooks: hooks.before_enqueue([], None)),  # type: ignore[arg-type]
    "pgflow_after_enqueue": (("jobs",), lambda hooks: hooks.after_enqueue([], None)),  # type: ignore[arg-type]
    "pgflow_before_claim": (("claim",), lambda hooks: hooks.before_claim(claim())),
    "pgflow_jobs_claimed": (("jobs",), lambda hooks: hooks.jobs_claimed(INFO, [])),
    "pgflow_attempts_finished": (("attempts",), lambda hooks: hooks.attempts_finished(INFO, [])),
    "pgflow_attempt_failed": (("job", "error"), lambda hooks: hooks.attempt_failed(None, ValueError())),  # type: ignore[arg-type]
    "pgflow_jobs_lost": (("jobs",), lambda hooks: hooks.jobs_lost(INFO, [])),
    "pgflow_heartbeat": (("stats",), lambda hooks: hooks.heartbeat(INFO, None)),  # type: ignore[arg-type]
    "pgflow_maintenance": (("run",), lambda hooks: hooks.maintenance(None)),
    "pgflow_authenticate": (("request",), lambda hooks: hooks.authenticate(None)),
    "pgflow_authorize": (("actor", "action", "resource"), lambda hooks: hooks.authorize(ACTOR, "read", "/")),
    "pgflow_audit": (("actor", "action"), lambda hooks: hooks.audit(ACTOR, "read", "/", {})),
    "pgflow_admin_routes": (("app",), lambda hooks: hooks.admin_routes(None)),
    "pgflow_health": ((), lambda hooks: hooks.health(None)),
    "pgflow_cli": (("cli",), lambda hooks: hooks.cli(None)),
}


def hooks_with(*plugins: object) -> Hooks:
    return App("shop", plugins=plugins, disabled_plugins=ALL_BUILT_IN).hooks


ALL_BUILT_IN = tuple(p.name for p in App("all").hooks.plugins.listed)


def test_every_hook_is_called_by_these_tests() -> None:
    assert CALLS.keys() | {"pgflow_task_options", "pgflow_error"} == POLICIES.keys()


@pytest.mark.parametrize("hook", [h for h in CALLS if POLICIES[h] is not Policy.OPEN and h != "pgflow_before_claim"])
def test_a_start_or_a_request_is_refused_with_the_plugins_name(hook: str) -> None:
    arguments, call = CALLS[hook]
    broken = failing(hook, arguments)
    with pytest.raises(PluginError, match=rf"plugin broken.*{hook} failed: RuntimeError: out of order"):
        call(hooks_with(broken))


@pytest.mark.parametrize("hook", [h for h in CALLS if POLICIES[h] is Policy.OPEN])
def test_an_open_failure_is_logged_counted_and_told_and_the_work_goes_on(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    arguments, call = CALLS[hook]
    listening = Listening()
    hooks = hooks_with(failing(hook, arguments), listening)
    with caplog.at_level(logging.ERROR):
        call(hooks)
    assert hooks.errors == {("broken", hook): 1}
    assert f"plugin broken: {hook} failed: RuntimeError: out of order" in caplog.text
    [(where, error)] = listening.heard
    assert (where.hook, where.plugin, str(error)) == (hook, "broken", "out of order")


def test_an_option_that_cannot_be_said_fails_the_declaration() -> None:
    app = App("shop", plugins=[failing("pgflow_task_options", ())], disabled_plugins=ALL_BUILT_IN)
    with pytest.raises(PluginError, match="plugin broken: pgflow_task_options failed"):

        @app.task(colour="red")  # type: ignore[call-overload]
        def paint() -> None: ...


def test_a_limiter_that_fails_holds_the_queue_back() -> None:
    hooks = hooks_with(failing("pgflow_before_claim", ("claim",)))
    asked = claim()
    hooks.before_claim(asked)
    assert (asked.limit, asked.reason_code) == (0, "PLUGIN_FAILED")
    assert hooks.errors == {("broken", "pgflow_before_claim"): 1}


def test_another_plugin_that_fails_before_a_claim_does_not() -> None:
    broken: Any = failing("pgflow_before_claim", ("claim",))
    broken.limits_claims = False
    asked = claim()
    hooks_with(broken).before_claim(asked)
    assert (asked.limit, asked.reason_code) == (10, None)


def test_a_failed_health_check_is_a_finding() -> None:
    [check] = hooks_with(failing("pgflow_health", ())).health(None)
    assert (check.name, check.ok) == ("broken", False)
    assert "out of order" in check.detail


def test_a_failure_to_hear_of_failures_is_counted_and_never_told_again() -> None:
    class Deaf:
        name = "deaf"

        @hookimpl
        def pgflow_error(self, where: Where) -> None:
            raise RuntimeError("what?")

    hooks = hooks_with(Deaf(), failing("pgflow_jobs_claimed", ("jobs",)))
    hooks.jobs_claimed(INFO, [])
    assert hooks.errors == {("broken", "pgflow_jobs_claimed"): 1, ("deaf", "pgflow_error"): 1}


def test_the_first_answer_counts_and_any_no_forbids() -> None:
    class Says:
        def __init__(self, name: str, answer: bool | None) -> None:
            self.name, self.answer = name, answer

        @hookimpl
        def pgflow_authenticate(self) -> Actor | None:
            return Actor(self.name, frozenset()) if self.answer else None

        @hookimpl
        def pgflow_authorize(self) -> bool | None:
            return self.answer

    yes, no, nothing = Says("yes", True), Says("no", False), Says("nothing", None)
    assert hooks_with(nothing, yes, no).authenticate(None) == Actor("yes", frozenset())
    assert hooks_with(nothing).authenticate(None) is None
    assert hooks_with(yes, nothing).authorize(ACTOR, "x", "/") is None
    assert hooks_with(yes, no, nothing).authorize(ACTOR, "x", "/") == "no"


def test_a_guardrail_may_change_jobs_but_not_their_number() -> None:
    class Drops:
        name = "drops"

        @hookimpl
        def pgflow_before_enqueue(self, jobs: list[Any]) -> None:
            jobs.pop()

    with pytest.raises(PluginError, match="plugin drops: pgflow_before_enqueue changed how many jobs"):
        hooks_with(Drops()).before_enqueue([object()], None)  # type: ignore[list-item, arg-type]
