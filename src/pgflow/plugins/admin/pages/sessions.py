"""Browser sessions: a cookie stands for the token it was given for, in the memory of this process and nowhere else."""

from __future__ import annotations

import secrets
import threading
import time
from hashlib import sha256
from typing import Final

COOKIE: Final = "pgflow_session"
MOST_SESSIONS: Final = 1_000


class Sessions:
    """Who is signed in. A restart signs everybody out, and a token taken away ends its sessions at once.

    Cookies are kept as digests, so that finding one takes as long whatever it begins with.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._open: dict[bytes, tuple[float, str]] = {}

    def open(self, token: str) -> str:
        """Sign in with a token that is known to be good; gives the cookie's value. The oldest make room."""
        cookie = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._open = {key: kept for key, kept in self._open.items() if kept[0] > now}
            while len(self._open) >= MOST_SESSIONS:
                del self._open[next(iter(self._open))]
            self._open[_key(cookie)] = now + self.seconds, token
        return cookie

    def token(self, cookie: str) -> str | None:
        """Give the token a cookie stands for; None where it stands for none, or no more."""
        with self._lock:
            until, token = self._open.get(_key(cookie), (0.0, ""))
        return token if until > time.monotonic() else None

    def close(self, cookie: str) -> None:
        """Sign out."""
        with self._lock:
            self._open.pop(_key(cookie), None)


def cookie_header(value: str, *, seconds: float, secure: bool) -> str:
    """Write the header that sets the cookie, or with no seconds takes it away.

    It names no path: it is then sent to pages only, under whatever prefix they are reached, and never to the API.
    """
    kept = f"{COOKIE}={value}; Max-Age={int(seconds)}; HttpOnly; SameSite=Strict"
    return f"{kept}; Secure" if secure else kept


def _key(cookie: str) -> bytes:
    return sha256(cookie.encode("utf-8", "surrogatepass")).digest()
