"""What is sent over the wire, and for how long one waits."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pgflow_webhook import guard, posting


@pytest.fixture
def dripping() -> Iterator[str]:
    """A receiver that answers a byte at a time, and never comes to an end."""
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        wire, _ = server.accept()
        with wire:
            try:
                while not over.wait(0.05):
                    wire.sendall(b"H")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=[server])
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        over.set()
        thread.join()


def test_a_receiver_that_drips_is_cut_off_in_time(dripping: str) -> None:
    began = time.monotonic()
    with pytest.raises((OSError, posting.http.client.HTTPException)):
        posting.post(dripping, b"{}", {}, timeout=0.5, allow_private=True)
    assert time.monotonic() - began < 5


def test_one_address_that_does_not_answer_is_not_the_end(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = guard.place_of(receiver.url)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (dead, ("127.0.0.1", place.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert posting.post(receiver.url, b"{}", {}, timeout=5, allow_private=True).status == 200


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = guard.place_of(receiver.url).port
    asked = []

    def look_up(host: str, port: int, **_: object) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    posting.post(f"http://shop.example:{port}/hook?x=1", b"{}", {}, timeout=5, allow_private=True)
    assert asked == ["shop.example"]
    [(headers, _)] = receiver.received
    assert headers["host"] == f"shop.example:{port}"


def test_certificates_and_names_are_checked() -> None:
    context = posting._tls()  # noqa: SLF001 - a test may look inside
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_what_is_no_tls_is_no_delivery(receiver: Any) -> None:
    with pytest.raises(OSError, match=r"(?i)ssl|record|version"):
        posting.post(receiver.url.replace("http:", "https:"), b"{}", {}, timeout=5, allow_private=True)
    assert receiver.received == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("86400", 3600.0), ("soon", None), ("-1", None), ("²", None), (None, None)]
)
def test_how_long_to_wait_is_read_with_care(text: str | None, seconds: float | None) -> None:
    assert posting._seconds(text) == seconds  # noqa: SLF001 - the same
