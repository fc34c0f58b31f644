"""Pages of docs/ of which a part, between markers, is written out of the JSON of runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images" / "benchmarks"
END: Final = "<!-- to here -->"


@dataclass(frozen=True, slots=True)
class Markers:
    """Where the written part begins, and ends."""

    begin: str
    end: str = END

    def fill(self, page: Path, lines: Sequence[str]) -> None:
        """Write lines between them. Raises `ValueError` where the page has none."""
        text = page.read_text("utf-8")
        if self.begin not in text or self.end not in text:
            msg = f"{page} has no markers to write between: put {self.begin} and {self.end} there"
            raise ValueError(msg)
        head, tail = text.split(self.begin, 1)[0], text.split(self.end, 1)[1]
        page.write_text("\n".join([head + self.begin, "", *lines, "", self.end + tail]), "utf-8")


def draw(images: Path, drawings: Mapping[str, str]) -> None:
    """Write plots, by name, as SVG."""
    images.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawings.items():
        images.joinpath(f"{name}.svg").write_text(drawing, "utf-8")


def joined(files: Iterable[Path], alike: Callable[[dict[str, Any]], Hashable]) -> dict[str, Any]:
    """Read what `--json` wrote; over several files the rounds of results that are `alike` are counted on."""
    whole: dict[str, Any] = {"results": [], "left_out": {}}
    for path in files:
        one = json.loads(path.read_text("utf-8"))
        before = last_rounds(whole["results"], alike)
        results = [{**result, "round": result["round"] + before.get(alike(result), 0)} for result in one["results"]]
        left_out = whole["left_out"] | one["left_out"]
        whole = {**whole, **one, "results": whole["results"] + results, "left_out": left_out}
    return whole


def last_rounds(results: Iterable[dict[str, Any]], alike: Callable[[dict[str, Any]], Hashable]) -> dict[Hashable, int]:
    """Give the last round of each kind of result."""
    last: dict[Hashable, int] = {}
    for result in results:
        last[alike(result)] = max(last.get(alike(result), 0), result["round"])
    return last


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table's lines."""
    return ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]
