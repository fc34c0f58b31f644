"""Where the admin is served: `HOST:PORT`, what it is bound to, and whether only this machine can reach it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Final

from pgflow import SettingsError
from pgflow.admin import is_loopback

OFF: Final = "off"
WRITTEN: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>\d{1,5})")
MOST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A host, without brackets, and a port; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str | None) -> Address | None:
        """Read `HOST:PORT`; None for none and for `off`. Raises `SettingsError`."""
        if text is None or text.strip().lower() in ("", OFF):
            return None
        found = WRITTEN.fullmatch(text.strip())
        if found is None or int(found["port"]) > MOST_PORT:
            takes = f"use HOST:PORT, such as {DEFAULT} or [::1]:3003, or off"
            msg = f"PGFLOW_ADMIN_ADDR: {text!r} is no address: {takes}"
            raise SettingsError(msg)
        return cls(found["six"] or found["host"] or "0.0.0.0", int(found["port"]))  # noqa: S104 - as `:3003` asks

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def resolved(self) -> tuple[socket.AddressFamily, str]:
        """Give the family and the number of what is to be bound, IPv4 first. Raises `SettingsError`."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            msg = f"PGFLOW_ADMIN_ADDR: there is no host {self.host}: {error}; use an address of this machine"
            raise SettingsError(msg) from None
        family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        return family, str(place[0])

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach it. Raises `SettingsError` for a name that is no host."""
        return is_loopback(self.resolved()[1])


DEFAULT: Final = Address("127.0.0.1", 3003)
