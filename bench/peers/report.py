"""Tables and plots out of the JSON of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def report(files: Sequence[Path]) -> None:
    """Write them."""
    raise NotImplementedError(files)
