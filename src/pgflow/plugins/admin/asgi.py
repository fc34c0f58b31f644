"""Builds the admin: endpoints of its own and of plugins behind one gate, as an ASGI app to be served or mounted."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from pgflow.admin import Endpoint
from pgflow.plugins.admin import api, pages, site
from pgflow.plugins.admin.gate import Gate
from pgflow.plugins.admin.hosts import Hosts
from pgflow.plugins.admin.lanes import Lanes
from pgflow.plugins.admin.routing import House, router, shape
from pgflow.plugins.admin.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgflow import AdminExtras
    from pgflow.plugins.admin.address import Address
    from pgflow.plugins.admin.settings import AdminSettings

logger = logging.getLogger("pgflow.admin")

OWN: Final = "admin"
HOUR_SECONDS: Final = 3_600.0
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class AdminApp:
    """The admin as an ASGI app; `endpoints` are those it routes and describes, pages stand beside them."""

    def __init__(
        self,
        app: Any,
        endpoints: Iterable[Endpoint],
        settings: AdminSettings,
        hosts: Hosts,
        extras: Iterable[AdminExtras] = (),
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._streams = Streams(settings.event_streams)
        lanes = Lanes()
        most = settings.most_body_bytes(app.settings.max_payload_bytes)
        house = House(app, lanes, self._streams, most, read_only=settings.read_only)
        site = pages.site(house, self.endpoints, settings.session_hours * HOUR_SECONDS, extras)
        inner = router(self.endpoints, house, pages.routes(site))
        self._gate = Gate(app, inner, hosts, lanes, site.door)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._gate(scope, receive, send)

    def close(self) -> None:
        """End the event streams. From the event loop."""
        self._streams.close()


def build(app: Any, settings: AdminSettings, *, address: Address | None = None) -> AdminApp:
    """Make the admin of an app: served at an address of its own, or mounted where there is none.

    Of two endpoints with one method and path, or with one name, the first is taken: the admin's own before plugins'.
    """
    allowed = settings.allowed_hosts
    hosts = Hosts.mounted(allowed) if address is None else Hosts.served(address.host, allowed)
    listed: list[Endpoint] = []
    groups: list[tuple[str, Iterable[Any]]] = [(OWN, (*site.endpoints(listed), *api.endpoints()))]
    added = app.hooks.admin_routes(app)
    groups += [(name, extras.endpoints) for name, extras in added]
    for plugin, endpoints in groups:
        for endpoint in endpoints:
            why = _unfit(endpoint, listed) or (plugin != OWN and _undescribed(endpoint))
            if why:
                named = f"{endpoint.method} {endpoint.path}" if isinstance(endpoint, Endpoint) else repr(endpoint)
                logger.warning("plugin %s: %s is left out of the admin: %s", plugin, named, why)
            else:
                listed.append(endpoint)
    return AdminApp(app, listed, settings, hosts, [extras for _, extras in added])


def _unfit(endpoint: object, listed: Iterable[Endpoint]) -> str | None:
    if not isinstance(endpoint, Endpoint):
        return "it is no pgflow.admin.Endpoint"
    if endpoint.method not in METHODS or not endpoint.path.startswith("/"):
        return f"an endpoint has a method of {', '.join(sorted(METHODS))} and a path that begins with /"
    key = (endpoint.method, shape(endpoint.path))
    for other in listed:
        if (other.method, shape(other.path)) == key or other.name == endpoint.name:
            return f"there is {other.name}, {other.method} {other.path}, already"
    return None


def _undescribed(endpoint: Endpoint) -> str | None:
    # a stranger's models that lack a type would fail each request, and the description of all endpoints with it
    models = (("query", endpoint.query), ("body", endpoint.body), ("response", endpoint.response))
    return next((f"its {what} {why}" for what, model in models if model is not None and (why := _lacks(model))), None)


@cache
def _lacks(model: Any) -> str | None:
    try:
        TypeAdapter(model).json_schema()
    except Exception as error:  # noqa: BLE001 - whatever a model of a stranger's raises
        return f"cannot be described: {type(error).__name__}: {' '.join(str(error).split())}"
    return None
