"""Leaves the garbage collector out of what makes thousands of objects at once, none of them garbage."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unswept() -> Iterator[None]:
    """Make things in this block, and wait for nothing: the collector looks for garbage again behind it.

    It is set off by how many objects there are more than before, and then looked through all that an enqueue of ten
    thousand jobs had made, again and again: a seventh of its CPU. Where it is off already it stays so.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
