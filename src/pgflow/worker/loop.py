"""The event loop a worker runs on: uvloop's where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Any


def loop_options(backend: str) -> dict[str, Any]:
    """Give `backend_options` of `anyio.run` for a backend, `asyncio` or `trio`."""
    return {"use_uvloop": True} if backend == "asyncio" and importlib.util.find_spec("uvloop") else {}
