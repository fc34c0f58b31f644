"""Serves an ASGI app from a thread of its own: uvicorn knows asyncio only, and the worker beside it may run on trio."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from pgflow import PgflowError, SettingsError
from pgflow.plugins.admin.address import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.plugins.admin.asgi import AdminApp

logger = logging.getLogger("pgflow.admin")

BACKLOG: Final = 128
MOST_CONNECTIONS: Final = 500
HEAD_BYTES: Final = 32_768
KEEP_ALIVE_SECONDS: Final = 5
FINISH_SECONDS: Final = 2
STOP_SECONDS: Final = 4.0


class AddressInUseError(PgflowError):
    """Another program has the port."""


class Server:
    """One app at one address; started once, and stopped within 4 s."""

    def __init__(self, asgi: AdminApp, address: Address, *, trusted_proxies: Sequence[str] = ()) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        config = uvicorn.Config(
            asgi,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=FINISH_SECONDS,
        )
        self._server = _Uvicorn(config, asgi)
        self._thread = threading.Thread(target=self._run, name="pgflow-admin", daemon=True)

    def start(self) -> None:
        """Begin to serve: from then on requests are heard.

        Raises `AddressInUseError`, or `SettingsError` where the address is none of this machine's.
        """
        self._socket = _bound(self._address)
        self._thread.start()

    def stop(self) -> None:
        """Let requests finish for 2 s, and end. It may be called twice, and without a start."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            logger.warning("the admin at %s did not end within %g s and is left behind", self.url, STOP_SECONDS)
        if self._socket is not None:
            self._socket.close()

    @property
    def address(self) -> Address:
        """What it is bound to, the port known; before the start, what was asked for."""
        if self._socket is None or self._socket.fileno() < 0:
            return self._address
        return Address(self._address.host, int(self._socket.getsockname()[1]))

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        at = self.address
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - told apart, not bound
        return f"http://{Address(everywhere.get(at.host, at.host), at.port)}/"

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket] if self._socket is not None else None)
        except BaseException:  # the thread's last word: uvicorn ends by SystemExit too
            logger.exception("the admin at %s has failed and is no longer served", self.url)


class _Uvicorn(uvicorn.Server):
    """A server that ends the app's event streams first: it would wait for them in vain."""

    def __init__(self, config: uvicorn.Config, asgi: AdminApp) -> None:
        super().__init__(config)
        self._asgi = asgi

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down in order."""
        self._asgi.close()
        await super().shutdown(sockets)


def _bound(address: Address) -> socket.socket:
    family, host = address.resolved()
    try:
        bound = socket.create_server((host, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            msg = f"{address} is taken by another program: free it, or give the admin another HOST:PORT"
            raise AddressInUseError(msg) from error
        msg = f"PGFLOW_ADMIN_ADDR: cannot listen at {address}: {error.strerror}; use an address of this machine"
        raise SettingsError(msg) from error
    # inherited by connections; asyncio sees no TCP in a socket made like this, and answers would wait 40 ms for an ACK
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound
