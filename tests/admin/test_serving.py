"""Where the admin is served: beside a worker on either event loop, alone by `pgflow admin`, or within another app."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import pytest

from pgflow import App, SettingsError
from pgflow.plugins.admin.address import Address
from pgflow.plugins.admin.ahead import prepared
from pgflow.plugins.admin.api.shared import COUNTS, QUEUES
from pgflow.plugins.admin.asgi import build
from pgflow.plugins.admin.server import AddressInUseError, Server
from pgflow.plugins.admin.settings import AdminSettings
from workers import until, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from probes import Probes


HERE = Address("127.0.0.1", 0)


def served_at(caplog: pytest.LogCaptureFixture) -> str:
    """Where a worker has said its admin is."""
    return re.findall(r"admin at (http://\S+)", caplog.text)[-1]


@pytest.fixture
def taken() -> Iterator[str]:
    """An address at which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@pytest.mark.anyio
async def test_a_worker_serves_the_admin_while_it_works_and_no_longer(
    make_app: Callable[..., App], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(admin_addr="127.0.0.1:0")

    @app.task
    async def work() -> None: ...

    with caplog.at_level(logging.INFO, "pgflow"):
        async with working(app), httpx.AsyncClient(base_url=served_at(caplog)) as client:
            assert (await client.get("health/live")).status_code == 200
            job = await work.aenqueue()
            await until(lambda: job.refresh().state == "succeeded")
            assert (await client.get("probe")).json()["limit"] == 10
        async with httpx.AsyncClient(base_url=served_at(caplog)) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("health/live")
    assert not [thread for thread in threading.enumerate() if thread.name == "pgflow-admin"]


@pytest.mark.anyio
async def test_a_worker_goes_on_where_the_port_is_taken(
    make_app: Callable[..., App], taken: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(admin_addr=taken)

    @app.task
    async def work() -> None: ...

    async with working(app):
        job = await work.aenqueue()
        await until(lambda: job.refresh().state == "succeeded")
    assert f"{taken} is taken by another program" in caplog.text
    assert "the worker goes on without its admin" in caplog.text


@pytest.mark.anyio
async def test_a_worker_does_not_start_with_an_admin_that_others_reach_without_a_token(
    make_app: Callable[..., App],
) -> None:
    with pytest.raises(SettingsError, match="set PGFLOW_API_TOKEN"):
        await make_app(admin_addr="0.0.0.0:0").worker().run()


@pytest.mark.parametrize("address", [None, "off"])
def test_a_worker_without_an_address_serves_nothing(make_app: Callable[..., App], address: str | None) -> None:
    app = make_app(admin_addr=address) if address else make_app()
    assert "admin" not in [name for name, _ in app.hooks.lifespans(app, "worker")]


def test_a_server_stops_at_once_though_streams_are_open(server: Server, client: httpx.Client, probes: Probes) -> None:
    with client.stream("GET", "probe/events") as stream:
        texts = stream.iter_text()
        assert next(texts) == "data: first\n\n"
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert probes.ended.is_set()
        assert list(texts) == [], "the stream ended as streams do"
    server.stop()


def test_a_request_that_runs_is_answered_before_the_end(
    server: Server, client: httpx.Client, probes: Probes, app: App
) -> None:
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(client.get("probe/slow").status_code))
    thread.start()
    while "slow" not in [action for action, _ in probes.asked]:
        time.sleep(0.01)
    server.stop()
    thread.join()
    assert answers == [503]


def test_an_answer_does_not_wait_for_an_acknowledgement(client: httpx.Client) -> None:
    answers = [client.get("health/live").elapsed.total_seconds() for _ in range(20)]
    assert sorted(answers)[10] < 0.03


def test_ipv6_is_served_and_a_taken_port_is_said(app: App) -> None:
    address = Address("::1", 0)
    admin = build(app, AdminSettings.read(), address=address)
    server = Server(admin, address)
    server.start()
    try:
        assert server.url == f"http://[::1]:{server.address.port}/"
        assert httpx.get(f"{server.url}probe").status_code == 200
        with pytest.raises(AddressInUseError, match=r"\[::1\]:\d+ is taken"):
            Server(admin, server.address).start()
    finally:
        server.stop()


def test_an_address_of_another_machine_is_refused_by_name(app: App) -> None:
    for text in ("192.0.2.1:3003", "no-such-host.invalid:3003"):
        address = Address.of(text)
        assert address is not None
        with pytest.raises(SettingsError, match="use an address of this machine"):
            Server(build(app, AdminSettings.read()), address).start()


def test_only_a_proxy_that_is_trusted_says_where_a_request_comes_from(
    make_app: Callable[..., App], serve: Callable[[App], Server]
) -> None:
    token = {"x-api-key": "t" * 16}
    trusting = serve(make_app(api_token="t" * 16, admin={"trusted_proxies": "127.0.0.1"}))
    assert httpx.get(f"{trusting.url}probe", headers={**token, "x-forwarded-for": "203.0.113.9"}).status_code == 200
    assert httpx.get(f"{trusting.url}probe", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401


@pytest.mark.anyio
async def test_a_stream_ends_with_its_client_on_either_event_loop(app: App, probes: Probes) -> None:
    sent: list[Any] = []
    gone = anyio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body"):
            gone.set()

    scope = {"type": "http", "method": "GET", "path": "/probe/events", "headers": [], "query_string": b"",
             "client": ("127.0.0.1", 1)}  # fmt: skip
    with anyio.fail_after(10):
        await app.admin_asgi()(scope, receive, send)
    assert sent[1]["body"] == b"data: first\n\n"
    assert probes.ended.is_set()


@pytest.fixture
def command(tmp_path: Path, migrated_url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `pgflow admin`, and kill what is left of it."""
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
    environment |= {"PGFLOW_DATABASE_URL": migrated_url, "PYTHONUNBUFFERED": "1"}

    def start(*words: str, **more: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "pgflow", "admin", *words], cwd=tmp_path, env=environment | more,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(
    command: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = command("--addr", "127.0.0.1:0")
    assert process.stdout is not None
    url = re.findall(r"http://\S+", process.stdout.readline())[0]
    assert httpx.get(f"{url}health", timeout=10).json()["status"] == "ok"
    assert httpx.get(f"{url}openapi.json", timeout=10).status_code == 200
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_the_command_says_in_one_line_why_it_cannot_serve(
    command: Callable[..., subprocess.Popen[str]], taken: str
) -> None:
    for words, code, said in (
        (("--addr", taken), 1, "is taken by another program"),
        (("--addr", "0.0.0.0:0"), 2, "set PGFLOW_API_TOKEN"),
        (("--addr", "nowhere"), 2, "use HOST:PORT"),
    ):
        process = command(*words)
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output) == (code, "")
        assert len(errors.splitlines()) == 1
        assert said in errors


def test_a_setting_of_the_admin_that_is_misspelt_is_refused(command: Callable[..., subprocess.Popen[str]]) -> None:
    process = command("--addr", "127.0.0.1:0", PGFLOW_ADMIN_ALOWED_HOSTS="x")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "PGFLOW_ADMIN_ALLOWED_HOSTS" in errors


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed_hosts": "https://jobs.example.com"},
        {"allowed_hosts": "jobs.example.com:3003"},
        {"allowed_hosts": "a b"},
        {"allowed_hosts": "ok.example,*example.com"},
        {"trusted_proxies": "*"},
        {"trusted_proxies": "proxy.example.com"},
        {"body_bytes": 1},
        {"event_streams": 0},
        {"other": 1},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong)).upper() + "|unknown keyword"):
        AdminSettings.read(**wrong)


def test_settings_come_from_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_ADMIN_ALLOWED_HOSTS", "jobs.example.com, *.internal,10.0.0.1,[::1],*")
    monkeypatch.setenv("PGFLOW_ADMIN_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    monkeypatch.setenv("PGFLOW_ADMIN_ADDR", "off")
    read = AdminSettings.read()
    assert read.allowed_hosts == ("jobs.example.com", "*.internal", "10.0.0.1", "[::1]", "*")
    assert read.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.anyio
async def test_what_the_first_page_needs_is_there_before_it_is_asked_for(make_app: Callable[..., App]) -> None:
    app = make_app()
    with prepared(app):
        pass
    assert await until(lambda: COUNTS.last(app)) == {
        "queued": 0,
        "scheduled": 0,
        "retrying": 0,
        "running": 0,
        "dead": 0,
    }
    assert QUEUES.last(app) == []


@pytest.mark.anyio
async def test_a_database_that_is_away_is_no_hindrance_to_being_served(caplog: pytest.LogCaptureFixture) -> None:
    app = App("away", dsn="postgresql://nobody@127.0.0.1:1/none", db_acquire_timeout_secs=0.2)
    with caplog.at_level(logging.DEBUG, "pgflow.admin"), prepared(app):
        await until(lambda: "could not be read ahead" in caplog.text)
    app.close()
