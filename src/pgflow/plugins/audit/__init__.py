"""Audit: keeps every change made through the admin, and who made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pgflow import AdminExtras, Migrations, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow import Actor

DAY_SECONDS: Final = 86_400.0
FOLDER: Final = Path(__file__).parent / "migrations"


class Audit:
    """Writes the audit, shows it at GET /audit and by `pgflow audit`, and forgets what is old.

    Keywords are `AuditSettings`.
    """

    name = "audit"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._app: Any = None
        self._days = 0.0

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read how long entries are kept. Raises `SettingsError`."""
        from pgflow.plugins.audit.settings import AuditSettings  # noqa: PLC0415 - no command's help needs it

        self._app = app
        self._days = AuditSettings.read(**self._given).days

    @hookimpl
    def pgflow_migrations(self) -> Migrations:
        """Give the table's migration."""
        return Migrations(FOLDER)

    @hookimpl
    def pgflow_audit(self, actor: Actor, action: str, resource: str, result: Mapping[str, object]) -> None:
        """Keep a change."""
        from pgflow.plugins.audit.entries import keep  # noqa: PLC0415 - no command's help needs it

        self._app.db.run(keep(actor, action, resource, result))

    @hookimpl
    def pgflow_maintenance(self, run: Any) -> None:
        """Forget old entries."""
        from pgflow.plugins.audit.entries import forget  # noqa: PLC0415

        forget(run, self._days * DAY_SECONDS)

    @hookimpl
    def pgflow_admin_routes(self) -> AdminExtras:
        """Add GET /audit."""
        from pgflow.plugins.audit.routes import LIST_AUDIT  # noqa: PLC0415

        return AdminExtras(endpoints=(LIST_AUDIT,))

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        """Add `pgflow audit`."""
        from pgflow.plugins.audit.commands import audit  # noqa: PLC0415 - typer is there only where commands are

        cli.command(rich_help_panel="Look around")(audit)
