"""What a scenario is, and all of them as found in `chaos/scenarios/`."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.stage import Stage

HERE = Path(__file__).parent / "scenarios"


class Scenario(NamedTuple):
    """One kind of trouble: what is done to a system under load, which must hold all the same.

    `setup` comes before the workers, `strike` lasts until `stage.over()` and leaves everything whole, `verify` looks at
    what is left when the queue has drained, and blames what only this scenario can tell.
    """

    name: str
    says: str
    strike: Callable[[Stage], None]
    setup: Callable[[Stage], None] | None = None
    needs: tuple[str, ...] = ()
    verify: Callable[[Stage], None] | None = None

    def lacks(self) -> list[str]:
        """Name what this machine has not got for it."""
        return [need for need in self.needs if not _has(need)]


def find_all() -> list[Scenario]:
    """Give every scenario, by name: each is a value of a module in `chaos/scenarios/`."""
    modules = [importlib.import_module(f"chaos.scenarios.{path.stem}") for path in sorted(HERE.glob("[a-z]*.py"))]
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Scenario)}
    return sorted(found.values(), key=lambda scenario: scenario.name)


def _has(need: str) -> bool:
    return os.geteuid() == 0 if need == "root" else shutil.which(need) is not None
