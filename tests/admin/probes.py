"""A plugin whose endpoints do what a test wants to see: echo, fail, wait, stream."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
from pydantic import BaseModel, ConfigDict

from pgflow import AdminExtras, hookimpl
from pgflow.admin import Answer, Endpoint, Query, Statement, all_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pgflow import Actor
    from pgflow.admin import Call

TOKEN = "a-token-of-the-tests"  # noqa: S105 - it opens nothing else
SLEEP = Query("sleep", "select pg_sleep(10)")
WRITE = Query("write", "insert into pgflow.queues (name) values ('written')")


class Thing(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid")

    name: str = "thing"
    size: int = 1
    parts: dict[str, Any] = {}


class Asked(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")
    free_prefix: ClassVar[str] = "arg."

    limit: int = 10
    queue: str | None = None
    arguments: dict[str, str] = {}


class Probes:
    """Endpoints under /probe, and a record of what hooks were told."""

    name = "probes"

    def __init__(self) -> None:
        self.audited: list[tuple[str, str, str, dict[str, object]]] = []
        self.asked: list[tuple[str, str]] = []
        self.forbidden: set[str] = set()
        self.raises: Exception | None = None
        self.streaming = threading.Event()
        self.ended = threading.Event()
        self.answered: list[str] = []

    @hookimpl
    def pgflow_admin_routes(self) -> AdminExtras:
        made = [
            Endpoint(method="GET", path="/probe", name="probe", summary="Echo", scope="read", answer=_asked,
                     query=Asked),
            Endpoint(method="POST", path="/probe", name="put_probe", summary="Echo", scope="operate",
                     answer=self._thing, body=Thing, status=201, changes=True, errors=(404,)),
            Endpoint(method="POST", path="/probe/maybe", name="maybe", summary="Echo", scope="operate",
                     answer=self._thing, body=Thing, body_required=False, changes=True),
            Endpoint(method="POST", path="/probe/{id}/poke", name="poke", summary="No body", scope="operate",
                     answer=lambda call: dict(call.path), changes=True),
            Endpoint(method="POST", path="/probe/ingest", name="ingest_probe", summary="Take in", scope="enqueue",
                     answer=self._thing, body=Thing),
            Endpoint(method="GET", path="/probe/fail", name="fail", summary="Fail", scope="read", answer=self._fail),
            Endpoint(method="GET", path="/probe/slow", name="slow", summary="Sleep", scope="read",
                     answer=lambda call: call.app.reads.run(Statement(SLEEP, {}, all_rows))),
            Endpoint(method="GET", path="/probe/write", name="write", summary="Write where one reads", scope="read",
                     answer=lambda call: call.app.reads.run(Statement(WRITE, {}, all_rows))),
            Endpoint(method="GET", path="/probe/events", name="events_probe", summary="Stream", scope="read",
                     answer=self._events, media_type="text/event-stream"),
            Endpoint(method="GET", path="/probe/text", name="text", summary="Text", scope="read",
                     answer=lambda _call: "plain\n", media_type="text/plain"),
        ]  # fmt: skip
        return AdminExtras(endpoints=tuple(made))

    @hookimpl
    def pgflow_authorize(self, actor: Actor, action: str, resource: str) -> bool | None:
        self.asked.append((action, resource))
        if action in self.forbidden:
            return False
        if action == "crash":
            raise RuntimeError("secret reason")
        return None

    @hookimpl
    def pgflow_audit(self, actor: Actor, action: str, resource: str, result: dict[str, object]) -> None:
        self.audited.append((actor.name, action, resource, dict(result)))

    def _thing(self, call: Call) -> object:
        self.answered.append(call.body.name)
        call.note["size"] = call.body.size
        if self.raises is not None:
            raise self.raises
        return call.body

    def _fail(self, _call: Call) -> object:
        raise self.raises or AssertionError("nothing to raise")

    def _events(self, _call: Call) -> Answer:
        return Answer(self._chunks(), headers={"cache-control": "no-cache"})

    async def _chunks(self) -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            self.streaming.set()
            await anyio.sleep_forever()
        finally:
            self.ended.set()


def _asked(call: Call) -> object:
    return {"limit": call.query.limit, "queue": call.query.queue, "arguments": call.query.arguments}
