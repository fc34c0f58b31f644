"""The names the admin answers to: any other Host header is refused, which stops DNS rebinding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names that are allowed; with `own`, those of this machine's loopback and of the address a request came to.

    That address is a number, which no name of a stranger's can stand for.
    """

    names: frozenset[str]
    own: bool

    @classmethod
    def served(cls, host: str, allowed: Sequence[str]) -> Hosts:
        """Those of an admin that is served at an address of its own."""
        return cls(frozenset({*LOOPBACK, host.lower(), *_plain(allowed)}), own=True)

    @classmethod
    def mounted(cls, allowed: Sequence[str]) -> Hosts:
        """Those of an admin within another app: any unless some are named, as the outer app checks the Host."""
        return cls(frozenset(_plain(allowed) or {ANY}), own=False)

    def allow(self, header: str | None, server: Any) -> bool:
        """Say whether a Host header names the admin; `server` is the address the request came to."""
        if ANY in self.names:
            return True
        found = HOST.fullmatch(header or "")
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower().removesuffix(".")
        if name in self.names or (self.own and server and name == str(server[0]).lower()):
            return True
        return any(f"*.{parent}" in self.names for parent in _parents(name))


def _plain(allowed: Sequence[str]) -> set[str]:
    return {name.lower().strip("[]").removesuffix(".") for name in allowed}


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[place:]) for place in range(1, len(parts))]
