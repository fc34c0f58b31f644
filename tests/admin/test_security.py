"""What keeps strangers out: the gate, tokens, hosts, pages of other sites, headers, and reads that only read."""

from __future__ import annotations

import importlib.metadata
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from probes import TOKEN
from starlette.applications import Starlette
from starlette.routing import Mount
from wire import asgi, request, say, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes import Probes

    from pgflow import App


NEVER_OPEN = [
    *("/", "/ui/", "/ui", "/openapi.json", "/jobs", "/nothing", "/health/", "//health", "/HEALTH", "/health%0a"),
    *("/health/live/", "/./health", "/health;x", "/%2fhealth", "/jobs/../health", "/health/%6cive/x"),
]


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_but_health_is_had_without_a_token(guarded: httpx.Client, method: str) -> None:
    for path in NEVER_OPEN:
        answer = say(str(guarded.base_url), request(method.encode(), path.encode()))
        assert (path, status_of(answer)) == (path, 401)
        assert b"www-authenticate: Bearer" in answer


def test_health_is_open_to_those_who_look_only(guarded: httpx.Client) -> None:
    assert {guarded.request(method, "health").status_code for method in METHODS[2:]} == {401}
    for path in ("health", "health/live", "%68ealth"):
        assert guarded.get(path).status_code == 200
        head = guarded.head(path)
        assert (head.status_code, head.content) == (200, b"")


OPENING = [
    {"x-api-key": TOKEN},
    {"authorization": f"Bearer {TOKEN}"},
    {"authorization": f"bearer {TOKEN}"},
    {"x-api-key": TOKEN, "authorization": f"Bearer {TOKEN}"},
]
NOT_OPENING = [
    {"x-api-key": TOKEN[:-1]},
    {"x-api-key": TOKEN + "x"},
    {"x-api-key": ""},
    {"authorization": f"Basic {TOKEN}"},
    {"authorization": "Bearer"},
    {"x-api-key": TOKEN, "authorization": "Bearer other"},
    {"x-api-key": "other", "authorization": f"Bearer {TOKEN}"},
    {"cookie": f"x-api-key={TOKEN}; token={TOKEN}"},
    {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"},
]


def test_a_token_opens_either_way_and_nothing_else_does(guarded: httpx.Client) -> None:
    assert [guarded.get("probe", headers=headers).status_code for headers in OPENING] == [200] * len(OPENING)
    assert [guarded.get("probe", headers=headers).status_code for headers in NOT_OPENING] == [401] * len(NOT_OPENING)


def test_a_token_of_any_bytes_is_refused_and_no_failure(guarded: httpx.Client) -> None:
    for token in ("schlüssel".encode(), "schlüssel".encode("latin-1"), b"\xff\xfe", b"\x80" * 5000):
        for header in ((b"x-api-key", token), (b"authorization", b"Bearer " + token)):
            assert status_of(say(str(guarded.base_url), request(b"GET", b"/probe", header))) == 401


def test_a_token_said_twice_is_refused(guarded: httpx.Client) -> None:
    twice = ((b"x-api-key", TOKEN.encode()), (b"X-API-Key", TOKEN.encode()))
    answer = say(str(guarded.base_url), request(b"GET", b"/probe", *twice))
    assert status_of(answer) == 400
    assert b"REPEATED_HEADER" in answer


def test_a_token_in_a_url_opens_nothing(guarded: httpx.Client) -> None:
    for name in ("token", "api_key", "x-api-key", "access_token", "authorization"):
        assert guarded.get("probe", params={name: TOKEN}).status_code == 401


def test_old_and_new_token_both_open_while_they_are_changed(make_app: Any, serve: Any) -> None:
    tokens = {"new": {"token": "the-new-token", "scopes": ["read"]}}
    with httpx.Client(base_url=serve(make_app(api_token=TOKEN, auth={"tokens": tokens})).url) as client:
        answers = [client.get("probe", headers={"x-api-key": key}) for key in (TOKEN, "the-new-token", "another")]
    assert [answer.status_code for answer in answers] == [200, 200, 401]


def test_a_scope_that_is_missing_is_named(make_app: Any, serve: Any, probes: Probes) -> None:
    tokens = {"reader": {"token": "reads", "scopes": ["read"]}}
    headers = {"x-api-key": "reads"}
    with httpx.Client(base_url=serve(make_app(auth={"tokens": tokens})).url, headers=headers) as client:
        assert client.get("probe").status_code == 200
        refused = client.post("probe", content=b"not even JSON", headers={"content-type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert "reader has not the scope operate" in refused.json()["detail"]
    assert probes.audited == [("reader", "put_probe", "/probe", {"status": 403})]
    assert probes.answered == []


def test_any_plugin_may_forbid_and_is_named_before_the_body_is_read(client: httpx.Client, probes: Probes) -> None:
    probes.forbidden.add("put_probe")
    refused = client.post("probe", content=b"not even JSON", headers={"content-type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert "plugin probes forbids local" in refused.json()["detail"]
    assert probes.asked == [("put_probe", "/probe")]
    assert probes.audited[-1][3] == {"status": 403}


def test_a_plugin_that_cannot_judge_closes_the_door_and_keeps_its_reason(
    client: httpx.Client, probes: Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "forbidden", None)
    refused = client.get("probe")
    assert (refused.status_code, refused.json()["code"]) == (503, "PLUGIN_FAILED")
    assert "plugin probes" in refused.json()["detail"]
    assert "NoneType" not in refused.text


@pytest.mark.anyio
async def test_a_websocket_is_refused(app: App) -> None:
    sent = await asgi(app.admin_asgi(), {"type": "websocket", "path": "/health"}, {"type": "websocket.connect"})
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_an_upgrade_to_a_websocket_is_no_way_in(guarded: httpx.Client) -> None:
    upgrade = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13"),
               (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="))  # fmt: skip
    assert status_of(say(str(guarded.base_url), request(b"GET", b"/probe", *upgrade))) == 401


@pytest.mark.anyio
@pytest.mark.parametrize("prefix", ["/admin", "/health", "/a/b"])
async def test_a_mounted_admin_has_the_same_gate(make_app: Any, prefix: str) -> None:
    outer = Starlette(routes=[Mount(prefix, make_app(api_token=TOKEN).admin_asgi())])
    transport = httpx.ASGITransport(outer, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://any.example") as client:
        assert (await client.get(f"{prefix}/probe")).status_code == 401
        assert (await client.get(f"{prefix}/live")).status_code == 401
        assert (await client.get(f"{prefix}/health")).status_code == 200
        answer = await client.get(f"{prefix}/probe", headers={"x-api-key": TOKEN})
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        missing = await client.get(f"{prefix}/nothing", headers={"x-api-key": TOKEN})
        assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")


def test_every_response_has_the_security_headers(client: httpx.Client, guarded: httpx.Client) -> None:
    for path in ("", "ui/", "probe", "probe/text", "nothing", "openapi.json", "health", "probe?x=1"):
        elsewhere = client.get(path, headers={"host": "evil.example"})
        for answer in (client.get(path), client.delete(path), guarded.get(path), elsewhere):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            assert "server" not in answer.headers


def test_an_endpoint_that_fails_says_nothing_of_why(
    client: httpx.Client, probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    probes.raises = RuntimeError("postgresql://user:secret@host/db")
    answer = client.get("probe/fail")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "secret" not in answer.text
    assert "nosniff" in answer.headers["x-content-type-options"]
    assert "the admin failed: RuntimeError" in caplog.text


def test_a_read_that_takes_too_long_is_stopped(client: httpx.Client) -> None:
    answer = client.get("probe/slow")
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_SLOW")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.elapsed.total_seconds() < 6


def test_a_read_cannot_write(client: httpx.Client, db: Any) -> None:
    assert client.get("probe/write").status_code == 503
    assert db.execute("select count(*) from pgflow.queues where name = 'written'").fetchone() == (0,)


def test_a_slow_database_keeps_nobody_waiting_for_live(client: httpx.Client) -> None:
    threads = [threading.Thread(target=lambda: client.get("probe/slow")) for _ in range(20)]
    for thread in threads:
        thread.start()
    answers = [client.get("health/live") for _ in range(5)]
    for thread in threads:
        thread.join()
    assert max(answer.elapsed.total_seconds() for answer in answers) < 1


def test_so_many_event_streams_and_no_more(make_app: Any, serve: Any) -> None:
    server = serve(make_app(admin={"event_streams": 3}))
    with httpx.Client(base_url=server.url, timeout=20) as client:
        with ExitStack() as stack:
            streams = [stack.enter_context(client.stream("GET", "probe/events")) for _ in range(3)]
            texts = [stream.iter_text() for stream in streams]
            assert [next(text) for text in texts] == ["data: first\n\n"] * 3
            refused = client.get("probe/events")
            assert (refused.status_code, refused.json()["code"]) == (503, "TOO_MANY_STREAMS")
            assert client.head("probe/events").status_code == 200
        assert _comes(lambda: _opens(client, "probe/events")), "those that were closed made room"


def _opens(client: httpx.Client, path: str) -> bool:
    with client.stream("GET", path) as stream:
        return stream.status_code == 200


def _comes(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 15
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_starlette_is_one_without_the_bypass_of_hosts() -> None:
    major, minor = importlib.metadata.version("starlette").split(".")[:2]
    assert (int(major), int(minor)) >= (1, 6)
