"""Who may ask at all: this machine where there is no token, under the admin's own names, and from its own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from probes import TOKEN
from wire import asgi, request, say, status_of

from pgflow import App, SettingsError
from pgflow.plugins.admin.address import Address, is_loopback
from pgflow.plugins.admin.hosts import Hosts

if TYPE_CHECKING:
    import httpx
    from probes import Probes

    from pgflow.plugins.admin.server import Server


@pytest.mark.anyio
async def test_without_a_token_a_mounted_admin_serves_this_machine_only(app: App) -> None:
    for client, status in (
        (("127.0.0.1", 1), 200),
        (("::ffff:127.0.0.1", 1), 200),
        (("10.1.2.3", 1), 401),
        (None, 401),
    ):
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/probe",
            "headers": [],
            "query_string": b"",
            "client": client,
        }
        sent = await asgi(app.admin_asgi(), scope, {"type": "http.request"})
        assert sent[0]["status"] == status


def test_without_a_token_what_a_proxy_passes_on_is_not_of_this_machine(client: httpx.Client) -> None:
    for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        assert client.get("probe", headers={header: "127.0.0.1"}).status_code == 401


# fmt: off
OWN_HOSTS = ["localhost", "LOCALHOST:3003", "127.0.0.1", "127.0.0.1:1", "[::1]", "localhost."]
OTHER_HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example",
               "[::2]", "127.0.0.2", "localhost:3003:1", "localhost:port", "localhost/", "2130706433", "0.0.0.0"]  # noqa: S104
# fmt: on


def test_the_admin_goes_by_the_names_of_this_machine_and_no_other(client: httpx.Client) -> None:
    for host in OWN_HOSTS:
        assert (host, client.get("probe", headers={"host": host}).status_code) == (host, 200)
    for host in OTHER_HOSTS:
        for path in ("probe", "health"):
            refused = client.get(path, headers={"host": host})
            assert (host, refused.status_code, refused.json()["code"]) == (host, 421, "UNKNOWN_HOST")


def test_a_host_of_rubbish_or_none_at_all_is_refused(server: Server) -> None:
    assert status_of(say(server.url, request(b"GET", b"/probe", host=b"\xff\xfe"))) == 421
    assert status_of(say(server.url, b"GET /probe HTTP/1.0\r\n\r\n")) == 421
    assert status_of(say(server.url, request(b"GET", b"/probe", (b"Host", b"localhost")))) == 400
    assert status_of(say(server.url, request(b"GET", b"http://evil.example/probe"))) == 404


def test_other_names_are_allowed_by_name() -> None:
    hosts = Hosts.served("10.0.0.5", ["jobs.example.com", "*.internal"])
    allowed = ["10.0.0.5:3003", "Jobs.Example.com", "a.internal", "a.b.internal:80", "localhost"]
    refused = ["example.com", "x.jobs.example.com", "internal", "a.internal.evil", "10.0.0.6", None]
    assert [hosts.allow(host, None) for host in allowed] == [True] * len(allowed)
    assert [hosts.allow(host, None) for host in refused] == [False] * len(refused)
    assert hosts.allow("10.0.0.6", ("10.0.0.6", 3003)), "the number the request came to"
    assert Hosts.mounted([]).allow("anything.example", None)
    assert not Hosts.mounted(["jobs.example.com"]).allow("localhost", ("localhost", 80))


@pytest.mark.parametrize("text", ["0.0.0.0:3003", "[::]:3003", ":3003", "192.0.2.1:3003"])
def test_no_token_and_an_address_others_can_reach_is_refused_at_the_start(make_app: Any, text: str) -> None:
    app = make_app(admin_addr=text)
    with pytest.raises(SettingsError, match="set PGFLOW_API_TOKEN, or use 127"):
        app.hooks.lifespans(app, "worker")


def test_a_token_that_no_plugin_checks_is_refused_at_the_start(make_app: Any) -> None:
    app = make_app(admin_addr="127.0.0.1:0", api_token=TOKEN, disabled_plugins="auth")
    with pytest.raises(SettingsError, match="no plugin checks it"):
        app.hooks.lifespans(app, "worker")


@pytest.mark.parametrize("text", ["3003", "localhost", "127.0.0.1:99999", "::1:3003", "http://127.0.0.1:3003", "a b:1"])
def test_an_address_that_cannot_be_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="PGFLOW_ADMIN_ADDR"):
        Address.of(text)


def test_an_address_is_read_as_it_is_written() -> None:
    assert [str(Address.of(text)) for text in ("127.0.0.1:3003", "[::1]:3003", "localhost:0")] == [
        "127.0.0.1:3003",
        "[::1]:3003",
        "localhost:0",
    ]
    assert (Address.of("off"), Address.of(None), Address.of(" OFF ")) == (None, None, None)
    loopback = {"127.0.0.1": True, "127.9.9.9": True, "::1": True, "::ffff:127.0.0.1": True, "10.0.0.1": False,
                "testclient": False, "": False, None: False, "/run/socket": False}  # fmt: skip
    assert {host: is_loopback(host) for host in loopback} == loopback


FORGED = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "OWN"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost.evil.example"},
    {"origin": "http://[bad"},
    {"cookie": "session=1"},
]
MEANT = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
    {"origin": "OWN"},
    {"origin": "OWN", "cookie": "session=1"},
    {"x-api-key": "any", "origin": "https://evil.example"},
]


def _with_own_origin(client: httpx.Client, headers: dict[str, str]) -> dict[str, str]:
    return {name: str(client.base_url).rstrip("/") if value == "OWN" else value for name, value in headers.items()}


KINDS = ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]


def test_a_page_of_another_site_changes_nothing(client: httpx.Client, probes: Probes) -> None:
    for given in (_with_own_origin(client, headers) for headers in FORGED):
        assert client.get("probe", headers=given).status_code == 200
        for kind in KINDS:
            refused = client.post("probe", content=b"{}", headers={**given, "content-type": kind})
            assert (given, refused.status_code, refused.json()["code"]) == (given, 403, "CROSS_SITE")
        assert client.post("probe/1/poke", headers=given).status_code == 403
    assert probes.answered == []


def test_a_page_of_the_admin_and_a_program_change_what_they_mean_to(client: httpx.Client) -> None:
    for given in (_with_own_origin(client, headers) for headers in MEANT):
        assert (given, client.post("probe", json={}, headers=given).status_code) == (given, 201)


def test_from_a_browser_a_change_is_json_or_htmx(client: httpx.Client) -> None:
    own = {"sec-fetch-site": "same-origin"}
    assert client.post("probe/1/poke", headers=own).status_code == 403
    assert client.post("probe/1/poke", headers={**own, "hx-request": "true"}).status_code == 200
    assert client.post("probe/1/poke").status_code == 200, "a program without a body needs no type"


def test_no_other_site_is_let_in_by_cors(client: httpx.Client) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = client.options("probe", headers=asked)
    answer = client.get("probe", headers=asked)
    assert preflight.status_code == 405
    assert not [name for one in (preflight, answer) for name in one.headers if name.startswith("access-control")]
