"""Posts one request to the very address that was judged, within one time for all of it."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pgflow_webhook import guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_WAIT_SECONDS: Final = 3_600.0
OWN_HEADERS: Final = {"content-type": "application/json", "user-agent": "pgflow-webhook", "connection": "close"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; `retry_after` in seconds, an hour at most."""

    status: int
    retry_after: float | None


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float, allow_private: bool) -> Answer:
    """Send one request and read the head of its answer. `timeout`: seconds, for all of it but the looking up.

    Raises `JobError` for an address inside the network, `OSError` and `HTTPException` where nothing sensible answers.
    """
    place = guard.place_of(url)
    plain = _connected(guard.addresses_of(place.host, place.port, allow_private=allow_private), timeout)
    wire = (
        _tls().wrap_socket(plain, server_hostname=place.host, do_handshake_on_connect=False)
        if place.is_secure
        else plain
    )
    kind = http.client.HTTPSConnection if place.is_secure else http.client.HTTPConnection
    connection = kind(place.host, place.port, timeout=timeout)
    # connected already, and to the address that was judged: a name may lead elsewhere the next time it is asked
    connection.sock = wire
    with wire, _cut_off(wire, timeout):
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
        connection.request("POST", place.path, body, {**OWN_HEADERS, **headers})
        answer = connection.getresponse()
        answer.close()
    return Answer(answer.status, _seconds(answer.headers.get("retry-after")))


def _connected(addresses: Sequence[tuple[int, Any]], timeout: float) -> socket.socket:
    failure = OSError("no address")
    for family, address in addresses:
        wire = socket.socket(family, socket.SOCK_STREAM)
        wire.settimeout(timeout / len(addresses))
        try:
            wire.connect(address)
        except OSError as error:
            wire.close()
            failure = error
        else:
            wire.settimeout(timeout)
            return wire
    raise failure


@contextmanager
def _cut_off(wire: socket.socket, seconds: float) -> Iterator[None]:
    # a socket's own timeout begins anew with each byte, so that a receiver could hold a thread for as long as it likes
    def cut() -> None:
        with suppress(OSError):
            socket.socket.shutdown(wire, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _seconds(text: str | None) -> float | None:
    return min(float(text), LONGEST_WAIT_SECONDS) if text is not None and text.isascii() and text.isdigit() else None
