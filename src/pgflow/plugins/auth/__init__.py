"""Auth: who makes a request of the admin, by tokens; without any, only this machine is let in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pgflow import Actor, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.admin import Credentials
    from pgflow.plugins.auth.keyring import Keyring

logger = logging.getLogger("pgflow.admin")


class Auth:
    """Accepts `x-api-key: TOKEN` and `Authorization: Bearer TOKEN`. Keywords are `AuthSettings`."""

    name = "auth"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._keyring: Keyring | None = None

    @property
    def has_tokens(self) -> bool:
        """True where nobody is let in without a token, so that the admin may be served on any address."""
        return self._keyring is not None and self._keyring.guards

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read the tokens. Raises `SettingsError`, which names the variable and never shows a token."""
        from pgflow.plugins.auth.keyring import Keyring  # noqa: PLC0415 - no command's help needs it
        from pgflow.plugins.auth.settings import AuthSettings  # noqa: PLC0415

        self._keyring = Keyring(AuthSettings.read(**self._given), app.settings.api_token)

    @hookimpl
    def pgflow_authenticate(self, request: Credentials) -> Actor | None:
        """Say whose token it is. Where there are no tokens, a request from this machine itself may do everything."""
        if self._keyring is None:
            return None
        if not self._keyring.guards:
            from pgflow.admin import LOCAL  # noqa: PLC0415

            return LOCAL if request.is_local else None
        presented = credentials(request.headers)
        if len(presented) != 1:
            return None
        token = self._keyring.find(presented.pop())
        return token.actor if token is not None else None

    @hookimpl
    def pgflow_authorize(self, actor: Actor, action: str) -> bool | None:
        """Forbid what is not among the actions a token is bound to."""
        bound = self._keyring.actions_of(actor) if self._keyring is not None else None
        return False if bound is not None and action not in bound else None


def credentials(headers: Mapping[str, str]) -> set[str]:
    """Collect the tokens a request presents: two that disagree are two, and an unreadable one is an empty one."""
    found = set()
    if "x-api-key" in headers:
        found.add(headers["x-api-key"].strip(" \t"))
    if "authorization" in headers:
        scheme, _, token = headers["authorization"].strip(" \t").partition(" ")
        found.add(token.strip(" \t") if scheme.lower() == "bearer" else "")
    return found
