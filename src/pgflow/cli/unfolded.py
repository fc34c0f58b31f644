"""What a page folds, for a terminal: tracebacks with the line that matters marked, and JSON as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.cli import ink
from pgflow.telling.traces import parts
from pgflow.telling.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from pgflow.telling.traces import Frame, Part
    from pgflow.telling.trees import Node

KINDS: Final = {"number": "cyan", "word": "magenta", "masked": "yellow", "text": "green"}


def trace(traceback: str, attempt: int, width: int | None) -> Iterator[Text]:
    """Give a traceback's lines: frames of libraries are counted, the one to look at first is marked by `>`."""
    yield ink.heading("last traceback", f"of attempt {attempt}")
    for part in parts(traceback):
        yield from _part(part, width)


def branches(title: str, root: Node, width: int | None, *, empty: str = "") -> Iterator[Text]:
    """Give a tree's lines."""
    yield ink.heading(title)
    if not root.children:
        yield ink.line((f"  {empty}", ink.QUIET))
    for node in root.children:
        yield from _branch(node, 1, width)
    yield from _left_out(root, 1)


def _part(part: Part, width: int | None) -> Iterator[Text]:
    for text in part.lines:
        yield from ink.wrapped(ink.line(ink.safe(text)), width, "  ", "    ")
    if part.folds:
        yield ink.line((f"    … {plural(len(part.frames), 'library frame')}", ink.QUIET))
        return
    for frame in part.frames:
        yield from _frame(frame, width)


def _frame(frame: Frame, width: int | None) -> Iterator[Text]:
    where = f'File "{frame.file}", line {frame.line}{f", in {frame.name}" if frame.name else ""}'
    first, style = ("  > ", "bold") if frame.fails else ("    ", "")
    yield from ink.wrapped(ink.line((ink.safe(where), style)), width, first, "    ")
    for code in frame.code:
        shown = ink.line((ink.safe(code), ink.BAD if frame.fails else ""))
        yield from ink.wrapped(shown, width, "  >   " if frame.fails else "      ", "        ")


def _branch(node: Node, depth: int, width: int | None) -> Iterator[Text]:
    before = "  " * depth
    name = f"{ink.safe(node.key)}: "
    if node.kind in ("object", "list"):
        bare = "" if node.children else " {}" if node.kind == "object" else " []"
        yield from ink.wrapped(ink.line((name.rstrip(), ink.QUIET), bare), width, before)
        for child in node.children:
            yield from _branch(child, depth + 1, width)
        yield from _left_out(node, depth + 1)
    else:
        shown = ink.line((name, ink.QUIET), (ink.safe(node.text), KINDS.get(node.kind, "")))
        yield from ink.wrapped(shown, width, before, f"{before}  ")


def _left_out(node: Node, depth: int) -> Iterator[Text]:
    if node.left_out:
        yield ink.line((f"{'  ' * depth}… {node.left_out} more", ink.QUIET))
