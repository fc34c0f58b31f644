"""Sends event streams: so many at once and no more, each until its client goes or the server stops."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import anyio

from pgflow.admin import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from pgflow.plugins.admin.replies import Reply

logger = logging.getLogger("pgflow.admin")

RETRY_SECONDS = 5


class Streams:
    """The streams that are open. To be used in one event loop, and closed in it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[anyio.CancelScope] = set()
        self._closed = False

    async def send(self, reply: Reply, chunks: AsyncIterable[Any], receive: Any, send: Any) -> None:
        """Send a response chunk by chunk. Raises `Problem` where there are too many streams."""
        if self._closed or len(self._open) >= self._most:
            detail = f"{self._most} event streams are open, and no more are allowed: close one, or try again"
            raise Problem(503, "TOO_MANY_STREAMS", detail, headers={"retry-after": str(RETRY_SECONDS)})
        async with anyio.create_task_group() as group:
            self._open.add(group.cancel_scope)
            try:
                group.start_soon(_until_gone, receive, group.cancel_scope)
                await _send_all(reply, chunks, send)
                group.cancel_scope.cancel()
            finally:
                self._open.discard(group.cancel_scope)
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """End every stream, and let none begin."""
        self._closed = True
        for scope in list(self._open):
            scope.cancel()


async def _send_all(reply: Reply, chunks: AsyncIterable[Any], send: Any) -> None:
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.raw_headers()})
        async for chunk in chunks:
            body = chunk.encode("utf-8", "replace") if isinstance(chunk, str) else bytes(chunk)
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except OSError:
        return  # the client has gone
    except Exception:
        # the status is sent: the client sees the stream end, and asks again
        logger.exception("an event stream failed")
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


async def _until_gone(receive: Any, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
