"""PostgreSQL's wire protocol as far as a proxy must read it: where messages end, what is asked, when it is done."""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

CANCEL: Final = 80877102
WANTS_TLS: Final = (80877103, 80877104)
NO_TLS: Final = b"N"
HEADER: Final = 5


class Framer:
    """Cuts a stream of bytes into whole messages; what a client says first has a length but no type."""

    def __init__(self, *, greets: bool) -> None:
        self._greets = greets
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in; give the messages they complete."""
        self._rest += data
        found = []
        while (size := self._size()) is not None and len(self._rest) >= size:
            found.append(bytes(self._rest[:size]))
            del self._rest[:size]
            if self._greets and code_of(found[-1]) not in WANTS_TLS:
                self._greets = False
        return found

    def _size(self) -> int | None:
        head = 4 if self._greets else HEADER
        if len(self._rest) < head:
            return None
        return int(struct.unpack_from("!i", self._rest, head - 4)[0]) + head - 4


class Greeting(NamedTuple):
    """What a client says of itself: `application` is its application_name."""

    application: str
    cancels: bool


def code_of(first: bytes) -> int:
    """The code in a client's first message: a protocol version, or what it wants instead of a session."""
    return int(struct.unpack_from("!i", first, 4)[0])


def greeting(first: bytes) -> Greeting:
    """Read a client's first message."""
    if code_of(first) == CANCEL:
        return Greeting("", cancels=True)
    words = first[8:].split(b"\0")
    said = dict(zip(words[::2], words[1::2], strict=False))
    return Greeting(said.get(b"application_name", b"").decode(), cancels=False)


class Conversation:
    """Which statements a session has asked for, and which question the server is answering."""

    def __init__(self) -> None:
        self.listens = False
        self._prepared: dict[bytes, str] = {}
        self._asked: list[str] = []
        self._questions: deque[tuple[str, ...]] = deque()

    @property
    def question(self) -> tuple[str, ...] | None:
        """The texts of the question under answer; none while the server is not asked anything."""
        return self._questions[0] if self._questions else None

    def asked(self, message: bytes) -> None:
        """Note a message of the client's."""
        kind, body = message[:1], message[HEADER:]
        if kind == b"P":
            name, text, *_ = body.split(b"\0", 2)
            self._prepared[name] = text.decode(errors="replace")
        elif kind == b"B":
            self._note(self._prepared.get(body.split(b"\0", 2)[1], ""))
        elif kind == b"Q":
            self._note(body.rstrip(b"\0").decode(errors="replace"))
        if kind in (b"Q", b"S"):
            self._questions.append(tuple(self._asked))
            self._asked = []

    def answered(self, message: bytes) -> None:
        """Note a message of the server's."""
        if is_ready(message) and self._questions:
            self._questions.popleft()

    def _note(self, text: str) -> None:
        self._asked.append(text)
        self.listens = self.listens or text.lstrip().lower().startswith("listen")


def is_ready(message: bytes) -> bool:
    """True for the end of an answer."""
    return message[:1] == b"Z"


def is_committed(answer: list[bytes]) -> bool:
    """True for a whole answer that leaves no transaction open and tells of no error: what it asked is committed."""
    return answer[-1][:6] == b"Z\0\0\0\5I" and not any(message[:1] == b"E" for message in answer)


def needs_client(message: bytes) -> bool:
    """True where the client has to speak before the answer can end: a COPY."""
    return message[:1] in (b"G", b"W")
