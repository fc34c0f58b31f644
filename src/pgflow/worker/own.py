"""How a process that is a worker's own is set up: its event loop, and what its garbage collector looks at."""

from __future__ import annotations

import gc
import importlib.util
from typing import Any, Final

DEFAULT_ROUNDS: Final = (700, 2_000)
"""How many more objects there are when Python looks for garbage, before 3.13 and from there on."""
ROUND_OBJECTS: Final = 10_000


def loop_options(backend: str) -> dict[str, Any]:
    """Give `backend_options` of `anyio.run` for a backend, `asyncio` or `trio`: uvloop where it is installed."""
    return {"use_uvloop": True} if backend == "asyncio" and importlib.util.find_spec("uvloop") else {}


def spare_what_stays() -> None:
    """Let the garbage collector pass by what is in memory now: imports, tasks and plugins, which stay to the end.

    Jobs come and go by the thousand, and each round that looked through all the rest besides cost a seventh of a
    worker's CPU; rounds at each 700 objects more, among jobs that are all still to run, a tenth. Rounds that something
    else has set stay as they are.
    """
    gc.collect()
    gc.freeze()
    each, *older = gc.get_threshold()
    if each in DEFAULT_ROUNDS:
        gc.set_threshold(ROUND_OBJECTS, *older)
