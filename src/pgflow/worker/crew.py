"""Whom a worker works for: the app, its hooks, and the worker as hooks see it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgflow.hooks import WorkerInfo
from pgflow.worker.bell import on_trio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgflow.hooks import Hooks
    from pgflow.worker.options import WorkerOptions


@dataclass(frozen=True, slots=True)
class Crew:
    """What the parts of a worker need to call hooks."""

    app: Any
    hooks: Hooks
    info: WorkerInfo


def worker_info(options: WorkerOptions, tasks: Iterable[str]) -> WorkerInfo:
    """Describe this process's worker; called on its event loop."""
    return WorkerInfo(
        id=options.worker_id,
        host=socket.gethostname()[:100],
        pid=os.getpid(),
        backend="trio" if on_trio() else "asyncio",
        queues=options.queues,
        tasks=tuple(sorted(tasks)),
    )
