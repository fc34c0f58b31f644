"""Keeps a few connections: opened when needed, by a thread that may be left behind, and never waited for in vain."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.pq import TransactionStatus

from pgflow.store.statement import NO_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pgflow.store.wire import Wire

REST_SECONDS: Final = 60.0
"""How long one that nobody needs is kept."""
LIFE_SECONDS: Final = 3_600.0
LOOKED_AT_SECONDS: Final = 1.0
"""One that rested for longer is looked at before it is used: the server may have closed it."""
CHANGES_MOST: Final = 8
"""After so many loans that changed what a session holds, one more is opened, while there may be more."""


class AllBusyError(Exception):
    """Every connection was in other hands for all the time there was."""


class NotOpenedError(Exception):
    """A connection could not be opened in the time there was, or its keeper was closed meanwhile."""


class Attempt:
    """One connection on its way."""

    __slots__ = ("conn", "error", "is_left")

    def __init__(self) -> None:
        self.conn: Wire | None = None
        self.error: BaseException | None = None
        self.is_left = False

    @property
    def is_over(self) -> bool:
        """True where it came, or will not."""
        return self.conn is not None or self.error is not None


class Connections:
    """At most `size` connections. Whoever finds none opens one, and hears at once why that fails.

    A pool that connects in the background makes its callers wait through an outage, and beyond it.
    """

    def __init__(self, connect: Callable[[], Wire], size: int) -> None:
        self._connect = connect
        self._size = size
        self._turn = threading.Condition()
        self._idle: list[Wire] = []
        self._count = 0
        self._is_shut = False
        self._renewed_at = 0.0
        self._changes = 0

    def take(self, seconds: float, wanted: Mapping[str, str] = NO_SETTINGS) -> Wire:
        """Give a connection: of those that hold the settings `wanted` the last used, or else the longest unused.

        Raises what `connect` raises, `AllBusyError`, or `NotOpenedError`.
        """
        with self._turn:
            conn = self._rested(wanted)
            if conn is not None:
                return conn
            end = time.monotonic() + seconds
            while self._count >= self._size:
                if self._is_shut:
                    raise NotOpenedError
                if not self._turn.wait(end - time.monotonic()):
                    raise AllBusyError
                conn = self._rested(wanted)
                if conn is not None:
                    return conn
            if self._is_shut:
                raise NotOpenedError
            self._count += 1
        return self._opened(end, wanted)

    def take_resting(self, wanted: Mapping[str, str]) -> Wire | None:
        """Give one that holds the settings `wanted` and that nobody uses, where there is one; waits for nothing."""
        with self._turn:
            return self._rested(wanted) if any(conn.holds == wanted for conn in self._idle) else None

    def give(self, conn: Wire) -> None:
        """Take a connection back, to be kept where it is good."""
        status = conn.pgconn.transaction_status
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            try:
                conn.rollback()
            except psycopg.Error:
                conn.close()
            status = conn.pgconn.transaction_status
        now = time.monotonic()
        late: list[Wire] = []
        with self._turn:
            life = LIFE_SECONDS * random.uniform(0.9, 1)  # noqa: S311 - spreads load, keeps no secret
            old = self._is_shut or conn.is_spent or not self._renewed_at < conn.opened_at > now - life
            if status == TransactionStatus.IDLE and not old:
                conn.rested_at = now
                self._idle.append(conn)
            else:
                self._count -= 1
                late.append(conn)
            while self._idle and now - self._idle[0].rested_at > REST_SECONDS:
                late.append(self._idle.pop(0))
                self._count -= 1
            self._turn.notify_all()
        for one in late:
            one.close()

    def drop_idle(self) -> None:
        """Close those that nobody uses: what one of them has met, the others will."""
        with self._turn:
            late, self._idle = self._idle, []
            self._count -= len(late)
            self._turn.notify_all()
        for conn in late:
            conn.close()

    def renew(self) -> None:
        """Close those that nobody uses, and those in use when they come back."""
        self._renewed_at = time.monotonic()
        self.drop_idle()

    def close(self) -> None:
        """Close all, those in use when they come back; nothing is opened any more, and nobody waits."""
        with self._turn:
            self._is_shut = True
        self.drop_idle()

    def _rested(self, wanted: Mapping[str, str]) -> Wire | None:
        while self._idle:
            places = range(len(self._idle) - 1, -1, -1)
            conn = self._idle.pop(next((nth for nth in places if self._idle[nth].holds == wanted), 0))
            if time.monotonic() - conn.rested_at < LOOKED_AT_SECONDS or conn.is_quiet:
                if conn.holds != wanted:
                    self._note_change()
                return conn
            self._count -= 1
            conn.close()
        return None

    def _note_change(self) -> None:
        self._changes += 1
        if self._changes >= CHANGES_MOST and self._count < self._size and not self._is_shut:
            self._changes = 0
            self._count += 1
            attempt = Attempt()
            attempt.is_left = True
            self._open_beside(attempt)

    def _open_beside(self, attempt: Attempt) -> None:
        threading.Thread(target=self._open, args=[attempt], name="pgflow-connect", daemon=True).start()

    def _opened(self, end: float, wanted: Mapping[str, str]) -> Wire:
        attempt = Attempt()
        self._open_beside(attempt)
        with self._turn:
            self._turn.wait_for(lambda: attempt.is_over or self._idle or self._is_shut, end - time.monotonic())
            if attempt.error is not None:
                raise attempt.error
            conn = attempt.conn
            if conn is None:
                attempt.is_left = True
                conn = self._rested(wanted)
            if conn is None:
                raise NotOpenedError
            return conn

    def _open(self, attempt: Attempt) -> None:
        conn, error = None, None
        try:
            conn = self._connect()
        except BaseException as raised:  # noqa: BLE001 - raised where it is waited for
            error = raised
        with self._turn:
            if conn is None or self._is_shut:
                self._count -= 1
                attempt.error = error or NotOpenedError()
            elif attempt.is_left:
                self._idle.append(conn)
            else:
                attempt.conn = conn
            self._turn.notify_all()
        if conn is not None and self._is_shut and attempt.conn is None:
            conn.close()
