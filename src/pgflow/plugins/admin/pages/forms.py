"""Reads a plain form: counted while it comes, in UTF-8, and each field given as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.plugins.admin import body, query
from pgflow.plugins.admin.origin import FORM, is_form

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FIELDS: Final = 1_200
"""Room for the thousand jobs of one bulk action."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form in their order."""

    pairs: tuple[tuple[str, str], ...]

    def one(self, name: str, default: str = "") -> str:
        """Give a field's text, the first of it; `default` where it is not there."""
        return next((value for field, value in self.pairs if field == name), default)

    def all(self, name: str) -> list[str]:
        """Give every text of a field."""
        return [value for field, value in self.pairs if field == name]

    def filled(self, *but: str) -> list[tuple[str, str]]:
        """Give the fields that are not empty, without those named."""
        return [(name, value) for name, value in self.pairs if value and name not in but]


async def read_form(receive: Any, headers: Mapping[str, str], limit: int) -> Form:
    """Read a form. Raises `Problem` as `body.read` does, and 400 or 422 for what is no form."""
    raw = await body.read(receive, headers, limit, is_form, f"send a form as {FORM}")
    return Form(tuple(query.pairs(raw, most=MOST_FIELDS)))
