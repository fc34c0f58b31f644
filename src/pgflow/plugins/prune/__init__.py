"""Prune: keeps history for as long as it is wanted; archives and drops old buckets, and forgets old records."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pgflow import hookimpl

if TYPE_CHECKING:
    from pgflow.plugins.prune.rounds import Ages

logger = logging.getLogger("pgflow")


class Prune:
    """Says what goes and when; the core takes it away without holding anyone up. Keywords are `PruneSettings`."""

    name = "prune"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self.ages: Ages | None = None

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read how long what is kept. Raises `SettingsError`."""
        from pgflow.plugins.prune.rounds import Ages  # noqa: PLC0415 - no command's help needs it
        from pgflow.plugins.prune.settings import PruneSettings  # noqa: PLC0415

        self.ages = Ages.of(app.settings, PruneSettings.read(**self._given))

    @hookimpl
    def pgflow_maintenance(self, run: Any) -> None:
        """Do one round."""
        from pgflow.plugins.prune.rounds import tidy  # noqa: PLC0415 - loaded long ago

        if self.ages is None:
            return
        report = tidy(run, self.ages)
        if report.changed:
            logger.info("pruned: %s", report)

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        """Add `pgflow prune`."""
        from pgflow.plugins.prune.commands import prune  # noqa: PLC0415 - typer is there only where commands are

        cli.command(rich_help_panel="Database")(prune)
