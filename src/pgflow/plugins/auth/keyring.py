"""The tokens that are accepted now: the settings' own, and those of a file that may change at any time."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from pgflow import SettingsError
from pgflow.plugins.auth.tokens import Token, distinct, match, read, single

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from pgflow import Actor
    from pgflow.plugins.auth.settings import AuthSettings

logger = logging.getLogger("pgflow.admin")

TOKENS: Final = "PGFLOW_AUTH_TOKENS"
FILE: Final = "PGFLOW_AUTH_TOKENS_FILE"
MAY_NOT_BE_EMPTY: Final = ("PGFLOW_API_TOKEN", TOKENS, FILE)

Stamp = tuple[int, int, int]


class Keyring:
    """Finds tokens. Where the file cannot be read any more, those that were read last go on, and it is logged once.

    Raises `SettingsError` for tokens that cannot be used at the start.
    """

    def __init__(self, settings: AuthSettings, api_token: SecretStr | None) -> None:
        for variable in MAY_NOT_BE_EMPTY:
            # elsewhere an empty variable is an unset one; here it is a secret that did not arrive
            if os.environ.get(variable, "set").strip() == "":
                msg = f"{variable} is empty: give it a token, or unset it"
                raise SettingsError(msg)
        own = [single(api_token)] if api_token is not None else []
        own += read(settings.tokens.get_secret_value(), TOKENS) if settings.tokens is not None else []
        self._own = distinct(own, TOKENS)
        self._file = settings.tokens_file
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._tokens = self._own
        if self._file is not None:
            self._stamp = _stamp(self._file)
            self._tokens = self._read(self._file)

    @property
    def guards(self) -> bool:
        """True where there are tokens."""
        return bool(self._tokens)

    def find(self, presented: str) -> Token | None:
        """Find the token that was presented."""
        return match(self._current(), presented)

    def actions_of(self, actor: Actor) -> frozenset[str] | None:
        """Give the actions to which the token of an actor is bound; None where it has no such bound."""
        return next((token.actions for token in self._tokens if token.actor.name == actor.name), None)

    def _current(self) -> tuple[Token, ...]:
        if self._file is not None:
            with self._lock:
                self._look_again(self._file)
        return self._tokens

    def _look_again(self, file: Path) -> None:
        stamp = _stamp(file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._tokens = self._read(file)
        except SettingsError as error:
            logger.warning("%s; the tokens that were read before go on", error)
        else:
            logger.info("%s: read again, %d tokens", FILE, len(self._tokens))

    def _read(self, file: Path) -> tuple[Token, ...]:
        source = f"{FILE}: {file}"
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            msg = f"{source} cannot be read: {why}; name a file that this process may read"
            raise SettingsError(msg) from None
        return distinct([*self._own, *read(text, source)], source)


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
