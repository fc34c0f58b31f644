"""Cursors: where a list goes on, sealed so that only what this admin gave comes back, and for the same filters only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pgflow.admin import Problem, Statement, load

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY: Final = load("identity", package="pgflow.plugins.admin")
SEAL_BYTES: Final = 16
MOST_CHARACTERS: Final = 4_000

_made: WeakKeyDictionary[Any, tuple[Any, Cursors]] = WeakKeyDictionary()


class Cursors:
    """Seals and opens cursors with one key: `Cursors.of(app)` gives those of an app."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, app: Any) -> Cursors:
        """Give the cursors of an app, the same for every admin of one database.

        The key is made of PGFLOW_API_TOKEN where it is set, else of when the database was first migrated: a seal
        keeps mistakes out, and no secret in.
        """
        settings, found = _made.get(app, (None, None))
        if found is None or settings is not app.settings:
            settings = app.settings
            token = settings.api_token
            origin = token.get_secret_value() if token is not None else app.db.run(_identity())
            found = cls(hashlib.sha256(f"pgflow cursor {origin}".encode()).digest())
            _made[app] = (settings, found)
        return found

    def seal(self, kind: str, filters: Mapping[str, object], value: object) -> str:
        """Seal where the list of a kind, under these filters, goes on; the value is anything JSON can say."""
        body = json.dumps(value, separators=(",", ":"), default=str).encode()
        return _text(self._seal(kind, filters, body) + body)

    def open(self, kind: str, filters: Mapping[str, object], text: str) -> Any:
        """Give what was sealed, times as text. Raises `Problem`, 400, for what was not sealed here and for this."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True) if _is_short(text) else b""
        except (binascii.Error, ValueError):
            raw = b""
        if _text(raw) != text:
            raw = b""  # one cursor has one spelling
        seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(kind, filters, body)):
            detail = "the cursor is not one of this list's: take next_cursor as it is, with the filters it came with"
            raise Problem(400, "BAD_CURSOR", detail, pointer="?cursor")
        return json.loads(body)

    def _seal(self, kind: str, filters: Mapping[str, object], body: bytes) -> bytes:
        given = {name: value for name, value in filters.items() if value is not None}
        about = json.dumps([kind, given], sort_keys=True, separators=(",", ":"), default=str).encode()
        return hmac.digest(self._key, hashlib.sha256(about).digest() + body, "sha256")[:SEAL_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _is_short(text: str) -> bool:
    return len(text) <= MOST_CHARACTERS and text.isascii()


def _identity() -> Statement[str]:
    return Statement(IDENTITY, {}, lambda rows: str(rows[0][0]) if rows else "")
