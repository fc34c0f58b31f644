"""How a process that is a worker's own is set up: its event loop, and what its garbage collector looks at."""

from __future__ import annotations

import gc
import importlib.util
from typing import Any


def loop_options(backend: str) -> dict[str, Any]:
    """Give `backend_options` of `anyio.run` for a backend, `asyncio` or `trio`: uvloop where it is installed."""
    return {"use_uvloop": True} if backend == "asyncio" and importlib.util.find_spec("uvloop") else {}


def spare_what_stays() -> None:
    """Let the garbage collector pass by what is in memory now: imports, tasks and plugins, which stay to the end.

    Jobs come and go by the thousand, and each round that looked through all the rest besides cost a seventh of a
    worker's CPU.
    """
    gc.collect()
    gc.freeze()
