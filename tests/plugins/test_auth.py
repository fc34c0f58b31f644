"""Auth: tokens by two headers, scopes and actions, rotation, and what may never let anyone in."""

from __future__ import annotations

import json
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pgflow import Actor, SettingsError
from pgflow.admin import Credentials
from pgflow.hooks import Plugins
from pgflow.hooks.calls import Hooks
from pgflow.plugins.auth import Auth

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = {
    "ci": {"token": "first-secret", "scopes": ["enqueue"]},
    "ops": {"token": "second-secret", "scopes": ["read", "operate"], "actions": ["pause_queue"]},
}


def hooks_of(api_token: str | None = None, **settings: Any) -> Hooks:
    hooks = Hooks(Plugins([Auth(**settings)], set(), set()))
    secret = None if api_token is None else SecretStr(api_token)
    only_auth(hooks).pgflow_configure(SimpleNamespace(settings=SimpleNamespace(api_token=secret)))
    return hooks


def only_auth(hooks: Hooks) -> Auth:
    plugin = hooks.plugins.named("auth")
    assert isinstance(plugin, Auth)
    return plugin


def asked(hooks: Hooks, client: str | None = "10.0.0.9", **headers: str) -> Actor | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return only_auth(hooks).pgflow_authenticate(Credentials(named, "GET", "/jobs", client))


def test_a_token_is_accepted_by_either_header_and_says_who_it_is() -> None:
    hooks = hooks_of(tokens=TOKENS)
    ci = Actor("ci", frozenset({"enqueue"}))
    assert asked(hooks, x_api_key="first-secret") == ci
    for header in ("Bearer first-secret", "bearer first-secret", "BEARER  first-secret "):
        assert asked(hooks, authorization=header) == ci
    assert asked(hooks, x_api_key="first-secret", authorization="Bearer first-secret") == ci
    found = asked(hooks, x_api_key="second-secret")
    assert found is not None
    assert found.name == "ops"


def test_the_api_token_may_do_everything() -> None:
    assert asked(hooks_of("abc"), x_api_key="abc") == Actor("api-token", frozenset({"admin"}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_api_key": ""},
        {"x_api_key": "first"},
        {"x_api_key": "first-secret, first-secret"},
        {"x_api_key": "first-secret", "authorization": "Bearer second-secret"},
        {"x_api_key": "first-secret", "authorization": "Basic Zmlyc3Qtc2VjcmV0"},
        {"authorization": "first-secret"},
        {"authorization": "Bearer"},
        {"authorization": "Bearerfirst-secret"},
        {"authorization": "Bearer first-secret second-secret"},
    ],
)
def test_nobody_is_let_in_without_one_token_that_is_right(headers: dict[str, str]) -> None:
    assert asked(hooks_of(tokens=TOKENS), **headers) is None
    assert asked(hooks_of(tokens=TOKENS), client="127.0.0.1", **headers) is None


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_without_any_token_this_machine_may_do_everything(client: str) -> None:
    hooks = hooks_of()
    found = asked(hooks, client=client)
    assert found is not None
    assert found.name == "local"
    assert all(found.may(scope) for scope in ("read", "operate", "enqueue", "admin"))
    assert not only_auth(hooks).has_tokens


@pytest.mark.parametrize(
    "client", [None, "", "10.0.0.9", "::ffff:10.0.0.9", "2001:db8::1", "localhost", "fe80::1%eth0"]
)
def test_without_any_token_no_other_address_is_let_in(client: str | None) -> None:
    assert asked(hooks_of(), client=client) is None
    assert asked(hooks_of(), client=client, x_api_key="anything") is None


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_real_ip", "via"])
def test_what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine(header: str) -> None:
    assert asked(hooks_of(), client="127.0.0.1", **{header: "203.0.113.9"}) is None


def test_a_token_bound_to_actions_is_forbidden_all_others() -> None:
    hooks = hooks_of(tokens=TOKENS)
    ops, ci = Actor("ops", frozenset({"operate"})), Actor("ci", frozenset({"enqueue"}))
    assert hooks.authorize(ops, "pause_queue", "/queues/q/pause") is None
    assert hooks.authorize(ops, "cancel_job", "/jobs/1/cancel") == "auth"
    assert hooks.authorize(ci, "enqueue_job", "/jobs") is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tokens": "{"}, "PGFLOW_AUTH_TOKENS: not JSON"),
        ({"tokens": "[" * 100_000}, "PGFLOW_AUTH_TOKENS: not JSON"),
        ({"tokens": "7"}, "PGFLOW_AUTH_TOKENS: Input should be a valid list"),
        ({"tokens": {}}, "holds no token"),
        ({"tokens": {"ci": "hush-hush"}}, r"ci\.token: Field required"),
        ({"tokens": {"ci": {"token": "hush-hush"}}}, r"ci\.scopes: Field required"),
        ({"tokens": {"ci": {"token": "hush-hush", "scopes": []}}}, r"ci\.scopes: "),
        ({"tokens": {"ci": {"token": "hush-hush", "scopes": ["root"]}}}, "'read', 'operate', 'enqueue' or 'admin'"),
        ({"tokens": {"ci": {"token": "hush-hush", "scopes": ["read"], "role": 1}}}, r"ci\.role: Extra"),
        ({"tokens": {"ci": {"token": "", "scopes": ["read"]}}}, "PGFLOW_AUTH_TOKENS: ci: the token is empty"),
        ({"tokens": {"ci": {"token": "hush hush", "scopes": ["read"]}}}, "ci: the token holds spaces"),
        ({"tokens": {"ci": {"token": "hush-hush\n", "scopes": ["read"]}}}, "ci: the token holds spaces"),
        ({"tokens": {"ci": {"token": "hush-hüsh", "scopes": ["read"]}}}, "not ASCII"),
        ({"tokens": {"c i": {"token": "hush-hush", "scopes": ["read"]}}}, r"c i\.name: String should match"),
        ({"tokens": '{"a": {}, "a": {}}'}, "'a' stands there twice"),
        ({"tokens": [{"name": n, "token": "hush-hush", "scopes": ["read"]} for n in "ab"]}, "a and b are the same"),
        ({"tokens": [{"name": "a", "token": t, "scopes": ["read"]} for t in "xy"]}, "two tokens are called a"),
        ({"api_token": ""}, "PGFLOW_API_TOKEN: the token is empty"),
        ({"api_token": "hush hush"}, "PGFLOW_API_TOKEN: the token holds spaces"),
        ({"api_token": "x", "tokens": {"api-token": {"token": "y", "scopes": ["read"]}}}, "are called api-token"),
        ({"tokens_file": "/nowhere"}, "PGFLOW_AUTH_TOKENS_FILE: /nowhere cannot be read: No such file"),
        ({"token": "hush-hush"}, "token is an unknown keyword: did you mean tokens"),
    ],
)  # fmt: skip
def test_tokens_that_cannot_be_used_are_refused_at_start_and_never_shown(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        hooks_of(**settings)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("variable", ["PGFLOW_API_TOKEN", "PGFLOW_AUTH_TOKENS", "PGFLOW_AUTH_TOKENS_FILE"])
def test_an_empty_variable_is_a_secret_that_did_not_arrive(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, " ")
    with pytest.raises(SettingsError, match=variable):
        hooks_of()


def test_tokens_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_AUTH_TOKENS", json.dumps(TOKENS))
    assert asked(hooks_of(), x_api_key="first-secret") is not None
    assert "first-secret" not in repr(vars(only_auth(hooks_of())))


def test_a_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "tokens.json"
    file.write_text('{"a": {"token": "old-one", "scopes": ["read"]}}')
    hooks = hooks_of("always", tokens_file=file)
    assert asked(hooks, x_api_key="old-one") is not None
    file.write_text('{"b": {"token": "the-new-one", "scopes": ["read"]}}')
    assert asked(hooks, x_api_key="old-one") is None
    assert asked(hooks, x_api_key="the-new-one") == Actor("b", frozenset({"read"}))
    assert asked(hooks, x_api_key="always") is not None
    for spoil in (lambda: file.write_text('{"b": {"token": "ha'), lambda: file.write_text("{}"), file.unlink):
        spoil()
        assert asked(hooks, x_api_key="the-new-one") is not None
        assert asked(hooks, x_api_key="nothing") is asked(hooks) is None
        assert len(caplog.records) == 1
        assert "the tokens that were read before go on" in caplog.text
        assert "the-new-one" not in caplog.text
        caplog.clear()


@cache
def guarded_and_open() -> tuple[Hooks, Hooks]:
    return hooks_of(tokens={"x": {"token": "x", "scopes": ["read"]}}), hooks_of()


@given(st.dictionaries(st.sampled_from(["x-api-key", "authorization", "via"]), st.binary() | st.text()), st.text())
def test_no_header_and_no_address_makes_it_raise(headers: dict[str, bytes | str], client: str) -> None:
    said = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}
    for hooks in guarded_and_open():
        found = only_auth(hooks).pgflow_authenticate(Credentials(said, "GET", "/", client))
        assert found is None or found.name in {"local", "x"}


@given(st.text(max_size=200))
def test_no_text_of_tokens_makes_it_raise_anything_but_a_settings_error(text: str) -> None:
    from pgflow.plugins.auth.tokens import read

    with pytest.raises(SettingsError):
        read(text, "PGFLOW_AUTH_TOKENS")
