"""The description of the API: it and the routes are one table, and what it allows is answered as it says."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, get_args

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from pgflow.hooks import Scope
from pgflow.plugins.admin.asgi import AdminApp, build
from pgflow.plugins.admin.settings import AdminSettings

if TYPE_CHECKING:
    from pgflow import App
    from pgflow.plugins.admin.server import Server

EXAMPLES = 8


@pytest.fixture
def admin(app: App) -> AdminApp:
    """The admin of an app, unserved."""
    return build(app, AdminSettings.read())


@pytest.fixture
def described(client: Any) -> dict[str, Any]:
    """The description, as it is served."""
    document: dict[str, Any] = client.get("openapi.json").json()
    return document


def test_what_is_described_is_what_is_routed(admin: AdminApp, described: dict[str, Any], client: Any) -> None:
    listed = {(endpoint.method, endpoint.path) for endpoint in admin.endpoints}
    assert {(method.upper(), path) for path, methods in described["paths"].items() for method in methods} == listed
    for path, methods in described["paths"].items():
        refused = client.request("BREW", re.sub(r"\{\w+\}", "x", path))
        assert refused.status_code == 405
        allowed = set(refused.headers["allow"].split(", "))
        assert allowed - {"HEAD"} == {method.upper() for method in methods}
        assert ("HEAD" in allowed) == ("get" in methods)


def test_every_endpoint_says_what_it_is(admin: AdminApp, described: dict[str, Any]) -> None:
    names = [endpoint.name for endpoint in admin.endpoints]
    assert len(set(names)) == len(names)
    for endpoint in admin.endpoints:
        operation = described["paths"][endpoint.path][endpoint.method.lower()]
        assert operation["operationId"] == endpoint.name
        assert operation["summary"]
        assert endpoint.scope in get_args(Scope)
        assert str(endpoint.status) in operation["responses"]
        assert endpoint.changes or endpoint.method == "GET" or endpoint.name == "ingest_probe", "a change is audited"
        open_to_all = endpoint.path in ("/health", "/health/live")
        assert (operation.get("security") == []) == open_to_all
        assert ("401" in operation["responses"]) != open_to_all


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for one in value.values() for found in references(one)]
        return [found for one in value for found in references(one)] if isinstance(value, list) else []

    schemas = described["components"]["schemas"]
    missing = [name for name in references(described) if name.removeprefix("#/components/schemas/") not in schemas]
    assert missing == []


def test_what_two_plugins_want_the_first_gets(app: App, caplog: pytest.LogCaptureFixture) -> None:
    from probes import Probes

    from pgflow import AdminExtras, hookimpl
    from pgflow.admin import Endpoint

    class Late:
        name = "late"

        @hookimpl
        def pgflow_admin_routes(self) -> AdminExtras:
            made = {"summary": "Mine", "scope": "read", "answer": lambda _call: "mine"}
            wanted = [("GET", "/health/live", "a"), ("GET", "/jobs/{other}", "b"), ("GET", "/mine", "probe"),
                      ("get", "/mine", "c"), ("GET", "mine", "d"), ("GET", "/late", "late")]  # fmt: skip
            endpoints = [Endpoint(method=method, path=path, name=name, **made) for method, path, name in wanted]
            return AdminExtras(endpoints=(*endpoints, "no endpoint"))

    late = type(app)("late", dsn=app.pool.dsn, plugins=[Late(), Probes()])
    try:
        added = build(late, AdminSettings.read()).endpoints
    finally:
        late.close()
    assert [endpoint.name for endpoint in added if endpoint.summary == "Mine"] == ["late"]
    assert caplog.text.count("is left out of the admin") == 6


def test_whatever_the_description_allows_is_answered_as_it_says(server: Server, app: App) -> None:
    @app.task(name="seeded")
    def seeded(number: int) -> None: ...

    seeded.enqueue_many([((number,), {}) for number in range(5)])
    # what a plugin of the tests streams or fails at on purpose is no part of the API
    schema = schemathesis.openapi.from_url(f"{server.url}openapi.json").exclude(path_regex=r"^/(probe|events)")
    checks = CHECKS.get_by_names(
        ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
         "unsupported_method"],
    )  # fmt: skip
    for result in schema.get_all_operations():
        _send_examples(result.ok(), checks, server.url.rstrip("/"))


QUICK = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def _send_examples(operation: Any, checks: Any, url: str) -> None:
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @QUICK
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            case.call_and_validate(base_url=url, checks=checks)

        # where nothing can be sent wrongly, there is no wrong example
        with contextlib.suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else contextlib.nullcontext():
            send()
