"""Says to a server what no client would, byte for byte, and gives what it answers; and speaks ASGI without a server."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit


def say(url: str, *parts: bytes, close: bool = False) -> bytes:
    """Send these bytes and read until the server closes, or falls silent behind an answer."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=10) as wire:
        for part in parts:
            wire.sendall(part)
        if close:
            wire.shutdown(socket.SHUT_WR)
        return _read(wire)


def _read(wire: socket.socket) -> bytes:
    answer = b""
    while chunk := _received(wire):
        answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if lengths and len(body) >= int(lengths[0].partition(b":")[2]):
            break
    return answer


def _received(wire: socket.socket) -> bytes:
    try:
        return wire.recv(65536)
    except ConnectionResetError:
        return b""  # what closes with bytes of ours unread resets the connection


def status_of(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ", 2)[1])


def request(
    method: bytes, path: bytes, *headers: tuple[bytes, bytes], body: bytes = b"", host: bytes = b"localhost"
) -> bytes:
    """Write a request, the last of its connection."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, *(name + b": " + value for name, value in headers)]
    if not any(name.lower() == b"connection" for name, _ in headers):
        lines.append(b"Connection: close")
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


async def asgi(app: Any, scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
    """Call an ASGI app with a scope and what it may receive; gives what it sent."""
    left, sent = list(received), []

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent
