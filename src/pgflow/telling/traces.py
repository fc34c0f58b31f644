"""Reads a Python traceback so that the line that matters stands out: frames of libraries fold, your own do not."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+)(?:, in (?P<name>.*))?')
MARKS: Final = re.compile(r"\s*[\^~]+\s*")
SHOWN_MOST: Final = 60_000
"""Of more characters the middle is left out: what was called first stands at the head, what failed at the end."""
OTHERS: Final = ("site-packages", "dist-packages", "/lib/python", "<frozen ", "/pgflow/worker/", "/pgflow/task/")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `is_own` is code that is no library's; `fails` is the innermost of these: where to look first."""

    file: str
    line: str
    name: str
    code: tuple[str, ...]
    is_own: bool
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a traceback: lines as they are, or frames that stand together and fold together."""

    lines: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()

    @property
    def folds(self) -> bool:
        """True where none of the frames is own code."""
        return bool(self.frames) and not any(frame.is_own for frame in self.frames)


def parts(traceback: str) -> list[Part]:
    """Read a traceback; what is none comes back as lines."""
    read = list(_read(_shortened(traceback).splitlines()))
    own = [place for place, one in enumerate(read) if isinstance(one, Frame) and one.is_own]
    frames = [place for place, one in enumerate(read) if isinstance(one, Frame)]
    if frames:
        where = own[-1] if own else frames[-1]
        found = read[where]
        read[where] = replace(found, fails=True, is_own=True) if isinstance(found, Frame) else found
    return list(_together(read))


def failing(traceback: str | None) -> Frame | None:
    """Give the frame to look at first; None where there is none."""
    if not traceback:
        return None
    return next((frame for part in parts(traceback) for frame in part.frames if frame.fails), None)


def _shortened(text: str) -> str:
    if len(text) <= SHOWN_MOST:
        return text
    half = SHOWN_MOST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def _read(lines: list[str]) -> Iterator[Frame | str]:
    place = 0
    while place < len(lines):
        found = FRAME.fullmatch(lines[place])
        place += 1
        if found is None:
            yield lines[place - 1]
            continue
        code = []
        while place < len(lines) and lines[place].startswith("    ") and not FRAME.fullmatch(lines[place]):
            if not MARKS.fullmatch(lines[place]):
                code.append(lines[place][4:])
            place += 1
        is_own = not any(mark in found["file"].replace("\\", "/") for mark in OTHERS)
        yield Frame(found["file"], found["line"], found["name"] or "", tuple(code), is_own)


def _together(read: list[Frame | str]) -> Iterator[Part]:
    lines: list[str] = []
    frames: list[Frame] = []
    for one in read:
        if isinstance(one, str):
            if frames:
                yield Part(frames=tuple(frames))
                frames = []
            lines.append(one)
            continue
        if lines:
            yield Part(lines=tuple(lines))
            lines = []
        if frames and frames[-1].is_own != one.is_own:
            yield Part(frames=tuple(frames))
            frames = []
        frames.append(one)
    if lines or frames:
        yield Part(lines=tuple(lines), frames=tuple(frames))
