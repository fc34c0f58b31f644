"""Logging of the commands: colours on a terminal, else one plain line a record."""

from __future__ import annotations

import logging
import sys
import time
from enum import StrEnum
from typing import Final

from pgflow.redact import redacted_text

FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"


class Level(StrEnum):
    """From which level records are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def configure(level: Level) -> None:
    """Send log records to stderr."""
    logging.basicConfig(level=level.upper(), handlers=[_rich() if sys.stderr.isatty() else _plain()], force=True)
    # the pool's own complaints repeat, with less, what pgflow says itself
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)


class Masking(logging.Formatter):
    """Writes records with the secrets in their texts and tracebacks masked."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        return redacted_text(super().format(record))


def _plain() -> logging.Handler:
    handler = logging.StreamHandler()
    formatter = Masking(FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    return handler


def _rich() -> logging.Handler:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.highlighter import NullHighlighter  # noqa: PLC0415
    from rich.logging import RichHandler  # noqa: PLC0415

    handler = RichHandler(
        console=Console(stderr=True), show_path=False, highlighter=NullHighlighter(), log_time_format="%H:%M:%S"
    )
    handler.setFormatter(Masking("%(message)s"))
    return handler
