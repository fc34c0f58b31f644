"""Which database an app uses: the one it is told, or the embedded one, said aloud."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pgflow.errors import DatabaseUnavailableError
from pgflow.store import buckets
from pgflow.store.migrate import migrate
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.settings import Settings
    from pgflow.store.embedded import Server
    from pgflow.store.migrate import Migration

logger = logging.getLogger("pgflow")

EMBEDDED_DIRECTORY: Final = Path(".pgflow/postgres")


class Database:
    """Opens the pool on first need, starting the embedded server and migrating where the settings say so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: Server | None = None
        self.embedded = settings.database_url is None

    def open(self, plugins: Callable[[], Sequence[Migration]] = tuple) -> Pool:
        """Give the pool; where the settings say so, with the schema brought up to date, that of `plugins` too.

        Raises `DatabaseUnavailableError` where there is no database to use.
        """
        settings = self._settings
        pool = Pool(
            settings.database_url or self._embedded_url(),
            size=settings.db_max_connections,
            acquire_seconds=settings.db_acquire_timeout_secs,
            relaxed=settings.disable_sync_commit,
            jit=not settings.disable_jit,
            answer_seconds=settings.db_answer_timeout_secs,
            prepare=settings.db_prepare,
        )
        if settings.migrate_on_startup if settings.migrate_on_startup is not None else self.embedded:
            migrate(pool, plugins())
            buckets.ensure(pool, settings.dataset_bucket)
        return pool

    def close(self) -> None:
        """Give the embedded server back, where it was used."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _embedded_url(self) -> str:
        if not self._settings.embedded:
            msg = "no database: set PGFLOW_DATABASE_URL (PGFLOW_EMBEDDED=0 rules the embedded one out)"
            raise DatabaseUnavailableError(msg)
        if self._server is None:
            from pgflow.store.embedded import acquire  # noqa: PLC0415 - 1 MB that nobody with a server has need of

            self._server = acquire(EMBEDDED_DIRECTORY)
            logger.warning(
                "no PGFLOW_DATABASE_URL: using the embedded PostgreSQL in %s, for development",
                os.fspath(EMBEDDED_DIRECTORY),
            )
        return self._server.url
