"""Plugins are found one by one; a broken one is put in quarantine and shown."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App, PluginError, SettingsError, TaskDefinitionError, hookimpl
from pgflow.hooks import Plugins, loading

if TYPE_CHECKING:
    from collections.abc import Callable


class Good:
    """Implements a hook."""

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        self.app = app


class WithAsyncHook:
    @hookimpl
    async def pgflow_attempt_failed(self, job: Any, error: Any) -> None:
        """A coroutine is never None: it would mask the rest."""


class WithUnknownHook:
    @hookimpl
    def pgflow_after_lunch(self) -> None:
        """No such hook."""


class WithUnknownArgument:
    @hookimpl
    def pgflow_after_enqueue(self, jobs: Any, weather: Any) -> None:
        """No such argument."""


class WithBadSettings:
    def __init__(self) -> None:
        msg = "PGFLOW_BAD_THING: not a number"
        raise SettingsError(msg)


class WithOptions:
    @hookimpl
    def pgflow_task_options(self) -> dict[str, Any]:
        return {"colour": str, "weight": int}


def failing() -> None:
    raise RuntimeError("no")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(**plugins: str) -> None:
        found = tuple(loading.Found(name, EntryPoint(name, value, "pgflow")) for name, value in sorted(plugins.items()))
        monkeypatch.setattr(loading, "entry_point_plugins", lambda: found)

    return install


HERE = __name__


def listed(plugins: Plugins) -> dict[str, tuple[str, str]]:
    return {info.name: (info.state, info.why) for info in plugins.listed}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:Plugin", "No module named 'no_such_module'"),
        (f"{HERE}:NoSuchClass", "NoSuchClass"),
        (f"{HERE}:WithAsyncHook", "broken implements pgflow_attempt_failed as an async function"),
        (f"{HERE}:WithUnknownHook", "broken implements pgflow_after_lunch, which is no hook"),
        (f"{HERE}:WithUnknownArgument", "weather"),
    ],
)
def test_a_broken_plugin_is_quarantined_and_the_others_work(
    install: Callable[..., None], value: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(broken=value, good=f"{HERE}:Good")
    with caplog.at_level(logging.ERROR):
        plugins = Plugins((), (), ())
    states = listed(plugins)
    assert states["good"] == ("on", "")
    assert states["broken"][0] == "quarantined"
    assert why in states["broken"][1]
    assert "plugin broken" in caplog.text
    assert [name for name, _ in plugins.implementations("pgflow_attempt_failed")] == []


def test_a_broken_plugin_that_is_required_stops_the_start(install: Callable[..., None]) -> None:
    install(broken="no_such_module:Plugin")
    with pytest.raises(PluginError, match=r"broken is required and quarantined: .*no_such_module"):
        Plugins((), (), ("broken",))


def test_a_required_plugin_that_is_missing_or_off_stops_the_start(install: Callable[..., None]) -> None:
    install(good=f"{HERE}:Good")
    with pytest.raises(PluginError, match="metrics is required and not installed; there are: good"):
        Plugins((), (), ("metrics",))
    with pytest.raises(PluginError, match="good is required and off"):
        Plugins((), ("good",), ("good",))


def test_required_plugins_are_read_from_the_settings(install: Callable[..., None]) -> None:
    install(good=f"{HERE}:Good")
    with pytest.raises(PluginError, match="sentry is required"):
        _ = App("shop", required_plugins=("good", "sentry")).hooks


def test_a_plugin_is_switched_off_by_name(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    install(good=f"{HERE}:Good", broken="no_such_module:Plugin")
    monkeypatch.setenv("PGFLOW_DISABLED_PLUGINS", "broken")
    app = App("shop")
    assert [(p.name, p.state) for p in app.plugins] == [("broken", "off"), ("good", "on")]


def test_settings_that_cannot_be_read_stop_the_start_instead_of_quarantining(install: Callable[..., None]) -> None:
    install(bad=f"{HERE}:WithBadSettings")
    with pytest.raises(SettingsError, match="PGFLOW_BAD_THING"):
        Plugins((), (), ())


def test_an_async_hook_of_a_plugin_given_to_the_app_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match=r"plugin withasynchook: .*pgflow_attempt_failed as an async function"):
        _ = App("shop", plugins=[WithAsyncHook()]).hooks


def test_a_given_plugin_takes_the_place_of_its_installed_namesake(install: Callable[..., None]) -> None:
    install(mine=f"{HERE}:Good")
    given = Good()
    app = App("shop", plugins=[given])
    assert app.hooks.plugins.named("good") is given
    assert [p.name for p in app.plugins] == ["good"]
    assert given.app is app


def test_two_given_plugins_of_one_name_are_refused() -> None:
    with pytest.raises(PluginError, match="two plugins given to the app are called good"):
        _ = App("shop", plugins=[Good(), Good()]).hooks


def test_a_plugin_added_after_the_start_comes_too_late() -> None:
    app = App("shop")
    app.use(Good())
    assert "good" in [p.name for p in app.plugins]
    with pytest.raises(PluginError, match="comes too late"):
        app.use(WithOptions())


def test_a_plugin_adds_checked_options_to_tasks() -> None:
    app = App("shop", plugins=[WithOptions()])

    @app.task(colour="red", weight="7")  # type: ignore[call-overload]
    def paint() -> None: ...

    assert paint.declared.extra == {"colour": "red", "weight": 7}
    with pytest.raises(TaskDefinitionError, match="weight 'heavy'"):

        @app.task(weight="heavy")  # type: ignore[call-overload]
        def lift() -> None: ...

    with pytest.raises(TaskDefinitionError, match="color= is not an option: did you mean colour="):

        @app.task(color="red")  # type: ignore[call-overload]
        def dye() -> None: ...


def test_the_options_of_a_plugin_that_is_switched_off_are_accepted_and_do_nothing(install: Callable[..., None]) -> None:
    install(painter=f"{HERE}:WithOptions")
    app = App("shop", disabled_plugins=("painter",))

    @app.task(colour="red")  # type: ignore[call-overload]
    def paint() -> None: ...

    assert [p.state for p in app.plugins] == ["off"]


def test_plugins_are_listed_with_their_hooks_and_distribution() -> None:
    guardrails = next(p for p in App("shop").plugins if p.name == "guardrails")
    assert (guardrails.state, guardrails.distribution) == ("on", "pgflow")
    assert "pgflow_before_enqueue" in guardrails.hooks
