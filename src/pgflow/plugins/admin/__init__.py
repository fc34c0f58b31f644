"""The admin: the HTTP API, served inside a worker, by `pgflow admin`, or mounted in another ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgflow import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from pgflow.plugins.admin.settings import AdminSettings

__all__ = ["Admin"]


class Admin:
    """Makes the admin and serves it where PGFLOW_ADMIN_ADDR says; settings are given here or as PGFLOW_ADMIN_*."""

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._settings: AdminSettings | None = None

    @property
    def settings(self) -> AdminSettings:
        """What is set, read once. Raises `SettingsError`."""
        if self._settings is None:
            from pgflow.plugins.admin.settings import AdminSettings  # noqa: PLC0415 - pydantic takes its time

            self._settings = AdminSettings.read(**self._given)
        return self._settings

    @hookimpl
    def pgflow_configure(self) -> None:
        """Read the settings anew. Raises `SettingsError`."""
        self._settings = None
        _ = self.settings

    @hookimpl
    def pgflow_admin_app(self, app: Any) -> Callable[..., Any]:
        """Make the ASGI app, for whoever mounts or serves it."""
        from pgflow.plugins.admin.asgi import build  # noqa: PLC0415 - Starlette is no business of a worker without it

        return build(app, self.settings)

    @hookimpl
    def pgflow_lifespan(self, app: Any, role: str) -> AbstractAsyncContextManager[object] | None:
        """Serve beside a worker that is given an address. Raises `SettingsError` where it may not be served there."""
        from pgflow.plugins.admin.address import Address  # noqa: PLC0415 - asked for by those who run a worker

        address = Address.of(app.settings.admin_addr)
        if role != "worker" or address is None:
            return None
        from pgflow.plugins.admin.serving import beside_worker, check_guarded  # noqa: PLC0415 - as above

        check_guarded(app, address)
        return beside_worker(app, address, self.settings)

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        """Add `pgflow admin`."""
        from pgflow.plugins.admin.command import add  # noqa: PLC0415 - a worker without commands has no need of it

        add(cli)
