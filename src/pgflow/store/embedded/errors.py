"""What can go wrong with a PostgreSQL of one's own; each message names the remedy."""

from __future__ import annotations

from pgflow.errors import DatabaseUnavailableError


class EmbeddedError(DatabaseUnavailableError):
    """The embedded PostgreSQL cannot be had."""


class BinariesMissingError(EmbeddedError):
    """No PostgreSQL was found on this machine."""


class VersionMismatchError(EmbeddedError):
    """The data was made by another major version than any PostgreSQL found."""


class PrivilegeError(EmbeddedError):
    """The process is root, which PostgreSQL refuses, and there is no one else to run it as."""


class ServerStartError(EmbeddedError):
    """The server did not start, did not answer or did not stop in time."""


class ServerInUseError(EmbeddedError):
    """The server has users yet; `users` are their pids as far as they can be seen."""

    def __init__(self, message: str, users: tuple[int, ...]) -> None:
        super().__init__(message)
        self.users = users
