"""One connection through the proxy: two flows of whole messages, and what the faults do to them."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from chaos.faults import Cut, Delay, LostAnswer, Silence
from chaos.wire import NO_TLS, WANTS_TLS, Conversation, Framer, code_of, greeting, is_committed, is_ready, needs_client

if TYPE_CHECKING:
    from chaos.proxy import Proxy

RESET: Final = struct.pack("ii", 1, 0)
CHUNK: Final = 65_536
HELD_BYTES: Final = 4_000_000
END: Final = b""


class Flow:
    """One direction: what came from `source` and goes to `sink`, each message when it is due."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, to_server: bool) -> None:
        self.source, self.sink, self.to_server = source, sink, to_server
        self.framer = Framer(greets=to_server)
        self.due: deque[tuple[float, bytes]] = deque()
        self.held: list[bytes] = []
        self.out = bytearray()
        self.read_all = False
        self.ended = False
        self.cut = False

    @property
    def is_full(self) -> bool:
        """True where the sink is slower than the source."""
        return len(self.out) > HELD_BYTES

    def put(self, message: bytes, wait: float) -> None:
        """Send a message on in `wait` seconds, and never before those ahead of it."""
        last = self.due[-1][0] if self.due else 0.0
        self.due.append((max(last, time.monotonic() + wait), message))

    def flush(self, now: float) -> None:
        """Write what is due. Raises `OSError` where the sink is gone."""
        while self.due and self.due[0][0] <= now:
            message = self.due.popleft()[1]
            self.ended = self.ended or message == END
            self.out += message
        while self.out:
            try:
                sent = self.sink.send(memoryview(self.out)[:CHUNK])
            except BlockingIOError:
                return
            del self.out[:sent]


class Link:
    """A client's connection and the server's behind it, in the hands of the proxy's thread."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client, self.server = client, server
        self.asking = Flow(client, server, to_server=True)
        self.answering = Flow(server, client, to_server=False)
        self.flows = (self.asking, self.answering)
        self.talk = Conversation()
        self.application = ""
        self.born = time.monotonic()
        self._greeted = False
        self._broken = False
        self._answer: list[bytes] = []
        self._decided = False
        self._keeps_back = False
        for sock in (client, server):
            sock.setblocking(False)

    @property
    def next_due(self) -> float | None:
        """When the next message is to be sent."""
        return min((flow.due[0][0] for flow in self.flows if flow.due), default=None)

    def read(self, flow: Flow) -> None:
        """Take in what a side has sent."""
        try:
            data = flow.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = END
        messages = flow.framer.feed(data) if data else [END]
        flow.read_all = not data
        for message in messages:
            if flow.cut:
                return
            self._pass(flow, message)

    def pump(self, now: float) -> bool:
        """Send what is due; False where the link is over."""
        for flow in self.flows:
            try:
                flow.flush(now)
            except OSError:
                flow.ended = True
                flow.out.clear()
            if (flow.ended or flow.cut) and not (flow.out or flow.due):
                self.close()
                return False
        return True

    def thaw(self) -> None:
        """End what silence no longer lasts: what was held comes through; where something was lost, all is reset."""
        if any(self._silence(flow) for flow in self.flows):
            return
        if self._broken:
            self.close(reset=True)
            return
        for flow in self.flows:
            held, flow.held = flow.held, []
            for message in held:
                flow.put(message, 0.0)

    def close(self, *, reset: bool = False) -> None:
        """Close both sides, with a reset where asked."""
        self.proxy.forget(self)
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset and sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()

    def _pass(self, flow: Flow, message: bytes) -> None:
        if message and flow.to_server and not self._hear(message):
            return
        silence = self._silence(flow)
        if silence is not None:
            self._withhold(flow, message, silence)
        elif message and not flow.to_server:
            lost = self._loses(message)
            self.talk.answered(message)
            if not lost:
                self._send(flow, message)
        else:
            self._send(flow, message)

    def _withhold(self, flow: Flow, message: bytes, silence: Silence) -> None:
        if silence.late:
            flow.held.append(message)
        else:
            self._broken = True

    def _hear(self, message: bytes) -> bool:
        if self._greeted:
            self.talk.asked(message)
        elif code_of(message) in WANTS_TLS:
            # TLS would hide from the proxy what passes: it refuses it in the server's stead
            silence = self._silence(self.asking) or self._silence(self.answering)
            if silence is None:
                self.answering.put(NO_TLS, 0.0)
            else:
                self._withhold(self.answering, NO_TLS, silence)
            return False
        else:
            self._greeted = True
            self.application = greeting(message).application
        return True

    def _silence(self, flow: Flow) -> Silence | None:
        for fault in self.proxy.faults:
            silent = isinstance(fault, Silence) and (fault.to_server if flow.to_server else fault.to_client)
            if silent and fault.whom(self):
                return fault  # type: ignore[return-value]
        return None

    def _send(self, flow: Flow, message: bytes) -> None:
        wait = 0.0
        for fault in self.proxy.faults:
            if isinstance(fault, Delay) and fault.whom(self):
                wait += fault.seconds + self.proxy.rng.uniform(0, fault.jitter)
            elif isinstance(fault, Cut) and len(message) > 1 and fault.whom(self) and self._falls(fault.chance):
                message = message[: self.proxy.rng.randrange(1, len(message))]
                flow.cut = True
                self.proxy.cuts += 1
        flow.put(message, wait)

    def _loses(self, message: bytes) -> bool:
        """Keep a chosen answer back until it is whole: then it is lost, or sent after all."""
        question = self.talk.question
        if question is not None and not self._decided:
            self._decided, self._keeps_back = True, self._chosen(question)
        self._decided = self._decided and not is_ready(message)
        if not self._keeps_back:
            return False
        self._answer.append(message)
        if is_ready(message) or needs_client(message):
            self._decide(question or ())
        return True

    def _decide(self, question: tuple[str, ...]) -> None:
        answer, self._answer, self._keeps_back = self._answer, [], False
        if is_committed(answer):
            self.proxy.lost.append(question)
            self.answering.put(END, 0.0)
            self.answering.cut = True
            return
        for message in answer:
            self._send(self.answering, message)

    def _chosen(self, question: tuple[str, ...]) -> bool:
        return any(
            isinstance(fault, LostAnswer) and fault.whom(self) and fault.about(question) and self._falls(fault.chance)
            for fault in self.proxy.faults
        )

    def _falls(self, chance: float) -> bool:
        return self.proxy.rng.random() < chance
