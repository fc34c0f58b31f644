"""The web pages: Jinja2 templates over the API's own functions, usable without JavaScript, under any prefix.

A page is a `Page` in one of this package's modules and a template; docs/how-to/write-an-admin-page.md makes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgflow.plugins.admin.pages import (
    audit,
    bulk,
    dead,
    decisions,
    job,
    jobs,
    overview,
    queues,
    replaying,
    schedules,
    signing,
    workers,
)
from pgflow.plugins.admin.pages.door import Door
from pgflow.plugins.admin.pages.routes import routes
from pgflow.plugins.admin.pages.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgflow import AdminExtras
    from pgflow.admin import Endpoint
    from pgflow.plugins.admin.pages.page import Page
    from pgflow.plugins.admin.routing import House

__all__ = ["PAGES", "routes", "site"]

# those with a title stand in the navigation, in this order
PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *jobs.PAGES,
    *bulk.PAGES,
    *job.PAGES,
    *replaying.PAGES,
    *dead.PAGES,
    *queues.PAGES,
    *workers.PAGES,
    *schedules.PAGES,
    *decisions.PAGES,
    *audit.PAGES,
    *signing.PAGES,
)


def site(
    house: House, endpoints: Iterable[Endpoint], session_seconds: float, extras: Iterable[AdminExtras] = ()
) -> Site:
    """Put together what all pages share."""
    added = list(extras)
    return Site(
        house,
        {endpoint.name: endpoint for endpoint in endpoints},
        PAGES,
        Door(session_seconds),
        tuple(entry for one in added for entry in one.nav),
        tuple(panel for one in added for panel in one.panels),
    )
