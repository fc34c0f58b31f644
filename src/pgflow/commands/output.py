"""What commands print: tables for people, plain columns for pipes, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.redact import redacted, redacted_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
MESSAGE_SHOWN: Final = 200
MAY_WRAP: Final = frozenset({"task", "message", "queues", "error", "finding", "paused", "reason"})


def say(text: str = "") -> None:
    """Print one line, or several, as they are."""
    sys.stdout.write(f"{text}\n")


def say_json(value: object) -> None:
    """Print a value as one line of JSON, secrets masked: ids as strings, times in ISO 8601 with their offset."""
    plain = json.loads(json.dumps(value, default=_plain))
    say(json.dumps(redacted(plain), ensure_ascii=False))


def say_items(items: Iterable[object], **more: object) -> None:
    """Print a list as JSON, in the shape of the HTTP API: `items`, and beside them what there is more."""
    say_json({"items": [as_dict(item) for item in items], **more})


def as_dict(value: Any) -> dict[str, Any]:
    """Give a frozen value's fields by name, its id as a string."""
    given = {field.name: getattr(value, field.name) for field in fields(value)}
    return {**given, "id": str(given["id"])} if "id" in given else given


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their columns: a table on a terminal, aligned text in a pipe, `empty` where there are none."""
    cells = [[redacted_text(one_line(cell)) for cell in row] for row in rows]
    if not cells:
        say(empty)
    elif sys.stdout.isatty():
        _rich_table(columns, cells)
    else:
        say(plain_table(columns, cells))


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align cells by spaces, one line a row."""
    lines = [list(columns), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def one_line(value: object) -> str:
    """Write a value for a cell: what would move the cursor becomes a space."""
    return "" if value is None else CONTROL.sub(" ", str(value))


def short(text: str | None, most: int = MESSAGE_SHOWN) -> str:
    """Cut a text that is long."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def seconds(value: float | None) -> str:
    """Write a length of time with a unit."""
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.1f} ms"
    if value < 60:  # noqa: PLR2004 - a minute
        return f"{value:.1f} s"
    size, unit = next(u for u in UNITS if value >= u[0])
    return f"{value / size:.1f} {unit}"


def age(moment: datetime) -> str:
    """Write how long ago a moment was, without saying so."""
    return seconds(max((datetime.now(UTC) - moment).total_seconds(), 0.0))


def ago(moment: datetime | None) -> str:
    """Say how long ago a moment was, or in how long it will be."""
    if moment is None:
        return ""
    passed = (datetime.now(UTC) - moment).total_seconds()
    return f"{seconds(max(passed, 0))} ago" if passed >= -0.5 else f"in {seconds(-passed)}"  # noqa: PLR2004 - clocks differ


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - 50 ms that pipes and --help need not pay
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # ids are copied by people, so they are never broken; what may be long gives way
        drawn.add_column(column, no_wrap=column not in MAY_WRAP, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return as_dict(value)
    return str(value)
