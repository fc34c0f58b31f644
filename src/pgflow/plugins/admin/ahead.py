"""What the first page would wait for, done while nobody waits: its templates, its connections, what all pages count."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pgflow import PgflowError
from pgflow.admin import FAULTS
from pgflow.plugins.admin.api.shared import COUNTS, QUEUES
from pgflow.plugins.admin.pages.rendering import compile_ahead
from pgflow.plugins.admin.paging import Cursors

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("pgflow.admin")

WAIT_SECONDS: Final = 1.0


@contextmanager
def prepared(app: Any) -> Iterator[None]:
    """Prepare in a thread, for as long as it is served; the thread is left behind where the database lets it wait."""
    thread = threading.Thread(target=_prepare, args=(app,), name="pgflow-admin-ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(WAIT_SECONDS)


def _prepare(app: Any) -> None:
    compile_ahead()
    try:
        Cursors.of(app)
        QUEUES.of(app)
        COUNTS.of(app)
    except (PgflowError, *FAULTS) as error:  # the first page will ask anew, and show what is wrong
        logger.debug("what pages count could not be read ahead: %s", error)
