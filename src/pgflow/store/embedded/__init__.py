"""A PostgreSQL of one's own for development: found, started, shared and stopped by its users."""

from __future__ import annotations

from pgflow.store.embedded.binaries import Binaries, find_binaries
from pgflow.store.embedded.errors import (
    BinariesMissingError,
    EmbeddedError,
    PrivilegeError,
    ServerInUseError,
    ServerStartError,
    VersionMismatchError,
)
from pgflow.store.embedded.server import Server, Status, acquire, keep, status, stop

__all__ = [
    "Binaries",
    "BinariesMissingError",
    "EmbeddedError",
    "PrivilegeError",
    "Server",
    "ServerInUseError",
    "ServerStartError",
    "Status",
    "VersionMismatchError",
    "acquire",
    "find_binaries",
    "keep",
    "status",
    "stop",
]
