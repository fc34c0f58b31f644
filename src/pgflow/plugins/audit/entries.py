"""The entries of the audit: statements that keep, list and forget them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Statement, load, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow import Actor
    from pgflow.admin import Maintenance

KEPT_CHARACTERS: Final = 2_000
RESULT_CHARACTERS: Final = 64_000
AT_ONCE: Final = 1_000
LAST_ID: Final = 2**63 - 1

KEEP: Final = load("keep", repeatable=False, package=__package__)
LISTING: Final = load("listing", package=__package__)
FORGET: Final = load("forget", package=__package__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: who made it, what it was, on what, and how it ended. `status` is the HTTP status."""

    id: str
    at: datetime
    actor: str
    action: str
    resource: str
    status: int
    result: Any


def keep(actor: Actor, action: str, resource: str, result: Mapping[str, object]) -> Statement[None]:
    """Keep a change. Texts are cut where they are long; a result of over 64,000 characters is kept as its length."""
    status = result.get("status")
    said = {key: value for key, value in result.items() if key != "status"}
    more = json.dumps(said, default=str, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    params = {
        "status": status if isinstance(status, int) else 0,
        "actor": _storable(actor.name),
        "action": _storable(action),
        "resource": _storable(resource),
        "result": more if len(more) <= RESULT_CHARACTERS else json.dumps({"characters": len(more)}),
    }
    return Statement(KEEP, params, nothing)


def listing(
    *, actor: str | None = None, action: str | None = None, before: int | None = None, limit: int = 100
) -> Statement[list[Entry]]:
    """List entries, newest first; `before` is the last page's last id."""
    last = LAST_ID if before is None else before
    params = {"actor": actor, "action": action, "before": last, "most": limit}
    return Statement(LISTING, params, lambda rows: [Entry(str(row[0]), *row[1:]) for row in rows])


def forget(run: Maintenance, seconds: float) -> int:
    """Delete entries older than `seconds`, a thousand at a time, while the turn lasts; gives how many went."""
    gone = 0
    while True:
        some = run.db.run(Statement(FORGET, {"seconds": seconds}, lambda rows: int(rows[0][0])))
        gone += some
        if some < AT_ONCE or not run.goes_on():
            return gone


def _storable(text: str) -> str:
    # PostgreSQL's text holds neither NUL nor half a surrogate pair, and a path may hold both
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")[:KEPT_CHARACTERS]
