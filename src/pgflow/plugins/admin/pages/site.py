"""What all pages share: the house, the API's endpoints by name, the pages themselves and what plugins add to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow import NavEntry, Panel
    from pgflow.admin import Endpoint
    from pgflow.plugins.admin.pages.door import Door
    from pgflow.plugins.admin.pages.page import Page
    from pgflow.plugins.admin.routing import House


@dataclass(frozen=True, slots=True)
class Site:
    """The pages of one admin."""

    house: House
    named: Mapping[str, Endpoint]
    pages: tuple[Page, ...]
    door: Door
    nav: tuple[NavEntry, ...] = ()
    panels: tuple[Panel, ...] = ()
