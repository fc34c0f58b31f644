"""Signed webhooks on the end of jobs, delivered as jobs: a plugin made of public names alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgflow import AdminExtras, HealthCheck, Migrations, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from pgflow import LostJob, Outcome
    from pgflow_webhook.outbox import Outbox
    from pgflow_webhook.settings import WebhookSettings

__all__ = ["Webhook"]

MIGRATIONS = Path(__file__).parent / "migrations"


class Webhook:
    """Tells subscribers when jobs end. Settings are given here or as PGFLOW_WEBHOOK_*."""

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._outbox: Outbox | None = None
        self.settings: WebhookSettings | None = None

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read the settings, and declare the task that delivers. Raises `SettingsError`."""
        from pgflow_webhook.delivery import declare
        from pgflow_webhook.settings import WebhookSettings

        self.settings = WebhookSettings.read(**self._given)
        self.settings.check()
        declare(app, self.settings)

    @hookimpl
    def pgflow_migrations(self) -> Migrations:
        """Give the table of subscriptions."""
        return Migrations(MIGRATIONS)

    @hookimpl
    def pgflow_lifespan(self, app: Any, role: str) -> AbstractAsyncContextManager[object] | None:
        """Run the outbox beside a worker: hooks may not wait for the database, the outbox may."""
        from pgflow_webhook.outbox import Outbox

        if role != "worker" or self.settings is None:
            return None
        self._outbox = Outbox(app, self.settings)
        return self._outbox.running()

    @hookimpl
    def pgflow_attempts_finished(self, attempts: Sequence[Outcome]) -> None:
        """Put what has ended into the outbox."""
        if self._outbox is not None:
            self._outbox.put(attempts)

    @hookimpl
    def pgflow_jobs_lost(self, jobs: Sequence[LostJob]) -> None:
        """Put what a crash has ended into the outbox."""
        if self._outbox is not None:
            self._outbox.put_lost(jobs)

    @hookimpl
    def pgflow_maintenance(self, run: Any) -> None:
        """Tell of deaths that nobody was told of."""
        from pgflow_webhook.telling import catch_up

        catch_up(run)

    @hookimpl
    def pgflow_admin_routes(self) -> AdminExtras:
        """Add /webhooks and a panel."""
        from pgflow_webhook.endpoints import ENDPOINTS, PANEL

        return AdminExtras(endpoints=ENDPOINTS, panels=(PANEL,))

    @hookimpl
    def pgflow_health(self, app: Any) -> list[HealthCheck]:
        """Tell of subscribers that cannot be told."""
        from pgflow_webhook.subscriptions import listing

        bad = [s for s in app.reads.run(listing()) if s.last_error is not None]
        detail = "; ".join(f"{s.name}: {s.last_error}" for s in bad)
        return [HealthCheck("webhooks", ok=not bad, detail=detail, remedy="pgflow webhooks test NAME" if bad else "")]

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        """Add `pgflow webhooks`."""
        from pgflow_webhook.commands import webhooks

        cli.add_typer(webhooks, name="webhooks", rich_help_panel="Plugins")
