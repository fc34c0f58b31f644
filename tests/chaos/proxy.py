"""A TCP proxy before PostgreSQL, in a thread of its own, whose faults are switched on and off while it runs."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.faults import everyone
from chaos.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.faults import Fault, Whom

HOST: Final = "127.0.0.1"
CONNECT_SECONDS: Final = 2.0
CALL_SECONDS: Final = 10.0
BACKLOG: Final = 128
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Proxy:
    """Passes PostgreSQL's messages on to the server that `upstream` names, as the faults in force let it.

    `lost` holds the questions whose answers were swallowed after their commit, `cuts` counts messages cut in two.
    """

    def __init__(self, upstream: str, rng: random.Random | None = None) -> None:
        self.upstream = upstream
        self.rng = rng or random.Random(0)  # noqa: S311 - chance that can be repeated is the point
        self.faults: tuple[Fault, ...] = ()
        self.lost: list[tuple[str, ...]] = []
        self.cuts = 0
        self._links: list[Link] = []
        self._is_over = False
        self._is_open = False
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wanted: dict[socket.socket, int] = {}
        self._waker, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        self._want(self._wakes, READ, self._woken)
        self._door = self._bound(0)
        self.port = int(self._door.getsockname()[1])
        self._open()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def address(self, dsn: str) -> str:
        """The DSN with the proxy in the place of its server."""
        return make_conninfo(dsn, host=HOST, port=self.port)

    def strike(self, *faults: Fault) -> None:
        """Put these faults in force in the place of those that were; what no longer holds ends for its connections."""

        def change() -> None:
            self.faults = faults
            for link in list(self._links):
                link.thaw()

        self._call(change)

    def heal(self) -> None:
        """Let everything pass again, and new connections too."""
        self.strike()
        self.admit()

    def reset(self, whom: Whom = everyone) -> int:
        """Reset connections at once, on both sides; gives how many."""
        return self._end(whom, reset=True)

    def hang_up(self, whom: Whom = everyone) -> int:
        """Close connections at once, in good manners; gives how many."""
        return self._end(whom, reset=False)

    def refuse(self) -> None:
        """Refuse new connections, as a port does where nobody listens."""

        def shut() -> None:
            if self._is_open:
                self._want(self._door, 0, None)
                self._door.close()
                # bound again, and not listening: nobody else gets the port meanwhile
                self._door = self._bound(self.port)
                self._is_open = False

        self._call(shut)

    def admit(self) -> None:
        """Take new connections again."""
        self._call(self._open)

    def count(self, whom: Whom = everyone) -> int:
        """How many connections pass through."""
        return int(self._call(lambda: sum(whom(link) for link in self._links)))

    def close(self) -> None:
        """End the proxy and its connections."""
        if self._thread.is_alive():
            self._call(self._stop)
            self._thread.join(CALL_SECONDS)

    def forget(self, link: Link) -> None:
        """Watch a link no longer; it calls this when it closes."""
        if link in self._links:
            self._links.remove(link)
            self._want(link.client, 0, None)
            self._want(link.server, 0, None)

    def _end(self, whom: Whom, *, reset: bool) -> int:
        def end() -> int:
            chosen = [link for link in self._links if whom(link)]
            for link in chosen:
                link.close(reset=reset)
            return len(chosen)

        return int(self._call(end))

    def _call(self, call: Callable[[], Any]) -> Any:
        # whatever touches links runs in the proxy's thread, so that nothing of it needs a lock
        answer: Future[Any] = Future()
        self._calls.append((call, answer))
        self._waker.send(b"!")
        return answer.result(CALL_SECONDS)

    def _run(self) -> None:
        while not self._is_over:
            due = min((link.next_due for link in self._links if link.next_due is not None), default=None)
            wait = None if due is None else max(0.0, due - time.monotonic())
            for key, events in self._selector.select(wait):
                if key.fileobj in self._wanted:  # one that another event has closed meanwhile is not
                    key.data(events)
            now = time.monotonic()
            for link in list(self._links):
                if link.pump(now):
                    self._watch(link)
        for end in (self._door, self._waker, self._wakes):
            end.close()
        self._selector.close()

    def _watch(self, link: Link) -> None:
        asking, answering = link.asking, link.answering
        for source, sink in ((asking, answering), (answering, asking)):
            reads = not (source.read_all or source.cut or source.is_full)
            wanted = (READ if reads else 0) | (WRITE if sink.out else 0)
            self._want(source.source, wanted, lambda events, flow=source: self._moved(link, flow, events))

    @staticmethod
    def _moved(link: Link, flow: Any, events: int) -> None:
        if events & READ:
            link.read(flow)

    def _want(self, sock: socket.socket, events: int, then: Callable[[int], None] | None) -> None:
        before = self._wanted.get(sock, 0)
        if events == before:
            return
        if not events:
            del self._wanted[sock]
            self._selector.unregister(sock)
            return
        self._wanted[sock] = events
        if before:
            self._selector.modify(sock, events, then)
        else:
            self._selector.register(sock, events, then)

    def _woken(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakes.recv(4096)
        while self._calls:
            call, answer = self._calls.popleft()
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001 - goes to whoever called
                answer.set_exception(error)

    def _stop(self) -> None:
        self._is_over = True
        for link in list(self._links):
            link.close()

    def _open(self) -> None:
        if not self._is_open:
            self._door.listen(BACKLOG)
            self._door.setblocking(False)
            self._want(self._door, READ, self._accept)
            self._is_open = True

    @staticmethod
    def _bound(port: int) -> socket.socket:
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, port))
        return door

    def _accept(self, _events: int) -> None:
        try:
            client, _ = self._door.accept()
        except OSError:
            return
        try:
            server = _connected(self.upstream)
        except OSError:
            client.close()
            return
        for sock in (client, server):
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, client, server)
        self._links.append(link)
        self._watch(link)


def _connected(dsn: str) -> socket.socket:
    given = conninfo_to_dict(dsn)
    host, port = str(given.get("host") or HOST), int(given.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port), CONNECT_SECONDS)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(CONNECT_SECONDS)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server
