"""Settings of a plugin's own: one pydantic model, read from `PGFLOW_<PLUGIN>_*` and from keyword arguments."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from pgflow.errors import SettingsError


class PluginSettings(BaseSettings):
    """The base of a plugin's settings: `class MySettings(PluginSettings, prefix="PGFLOW_MINE_")`.

    Keyword > environment > .env > default, and a name that is no setting is refused wherever it stands.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)
    prefix: ClassVar[str] = ""
    also_known: ClassVar[tuple[str, ...]] = ()
    """Variables under the prefix that are not this model's."""

    def __init_subclass__(cls, prefix: str = "", **keywords: Any) -> None:
        """Note the prefix of the variables."""
        super().__init_subclass__(**keywords)
        cls.prefix = prefix or cls.prefix
        cls.model_config = {**cls.model_config, "env_prefix": cls.prefix}

    @classmethod
    def read(cls, **keywords: Any) -> Self:
        """Read the settings; keywords that are None are left to the environment.

        Raises `SettingsError` naming each variable or keyword that cannot be read, and what it takes.
        """
        given = {name: value for name, value in keywords.items() if value is not None}
        for name in given:
            _refuse_stranger(name, set(cls.model_fields), "keyword")
        variables = {cls.variable(field) for field in cls.model_fields} | set(cls.also_known)
        for name in os.environ:
            if name.startswith(cls.prefix):
                _refuse_stranger(name, variables, "variable")
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._complaints(error))) from None
        except UnreadableError as error:
            # a variable that is to hold JSON and holds none
            cause = f": {error.__cause__}" if error.__cause__ is not None else ""
            msg = f"{cls.prefix}*: {error}{cause}; give it as JSON"
            raise SettingsError(msg) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.prefix}{field.upper()}"

    @classmethod
    def _complaints(cls, error: ValidationError) -> list[str]:
        lines = []
        for problem in error.errors():
            field = str(problem["loc"][0]) if problem["loc"] else ""
            known = cls.model_fields.get(field)
            takes = f" ({known.description})" if known is not None and known.description else ""
            lines.append(f"{cls.variable(field)}: {problem['msg']}, got {problem['input']!r}{takes}")
        return lines


def _refuse_stranger(name: str, known: set[str], what: str) -> None:
    if name in known:
        return
    near = get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
    msg = f"{name} is an unknown {what}: {hint}"
    raise SettingsError(msg)
