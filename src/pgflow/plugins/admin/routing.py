"""Turns endpoints into routes: each request is permitted, read, answered in a thread and, where it changes, audited."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route, Router

from pgflow.admin import Call, Endpoint, Problem, act
from pgflow.plugins.admin import body, query
from pgflow.plugins.admin.body import BodyTooLargeError
from pgflow.plugins.admin.gate import EXEMPT
from pgflow.plugins.admin.lanes import WORK
from pgflow.plugins.admin.problems import problem_of
from pgflow.plugins.admin.replies import Reply, reply_of, reply_of_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgflow import Actor
    from pgflow.plugins.admin.gate import Admitted
    from pgflow.plugins.admin.lanes import Lanes
    from pgflow.plugins.admin.streams import Streams

logger = logging.getLogger("pgflow.admin")

PARAMETER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class House:
    """What all routes share."""

    app: Any
    lanes: Lanes
    streams: Streams
    most_body_bytes: int
    read_only: bool = False

    def check_scope(self, actor: Actor, endpoint: Endpoint) -> None:
        """Raise `Problem` where changes are refused altogether, or the actor has not the scope."""
        if self.read_only and endpoint.method != "GET":
            detail = f"this admin is read-only, and {endpoint.name} is a change: PGFLOW_ADMIN_READ_ONLY is set"
            raise Problem(403, "READ_ONLY", detail)
        if not actor.may(endpoint.scope):
            detail = f"{actor.name} has not the scope {endpoint.scope}, which {endpoint.name} needs"
            raise Problem(403, "FORBIDDEN", detail)

    def ask_plugins(self, actor: Actor, endpoint: Endpoint, path: str) -> None:
        """Raise `Problem` where a plugin forbids it. Called in a thread."""
        plugin = self.app.hooks.authorize(actor, endpoint.name, path)
        if plugin is not None:
            raise Problem(403, "FORBIDDEN", f"plugin {plugin} forbids {actor.name} to {endpoint.name} {path}")


def router(endpoints: Iterable[Endpoint], house: House, more: Iterable[Route] = ()) -> Router:
    """Make the router: paths without parameters come first, so that `/jobs/bulk` is no job; `more` before them all."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(shape(endpoint.path), {})[endpoint.method] = endpoint
    ordered = sorted(paths.values(), key=lambda methods: _path_of(methods).count("{"))
    routes = [Route(_path_of(methods), Resource(house, methods), methods=None) for methods in ordered]
    return Router([*more, *routes], redirect_slashes=False, default=not_found)


def shape(path: str) -> str:
    """A path whatever its parameters are called: `/jobs/{}/cancel`."""
    return PARAMETER.sub("{}", path)


def _path_of(methods: Mapping[str, Endpoint]) -> str:
    return next(iter(methods.values())).path


async def not_found(scope: Any, _receive: Any, send: Any) -> None:
    """Answer what no route is for; where the app is mounted and asked for without its slash, say so."""
    if scope["type"] != "http":
        return
    if not scope["path"]:
        # relative to the address that was asked for, which is all that proxies and mounts agree on
        place = scope["pgflow.mount"].rpartition("/")[2]
        await Reply(307, b"", "text/plain", {"location": f"./{place}/"}).send(send)
        return
    detail = f"there is nothing at {scope['path'][:200]}; GET /openapi.json lists what there is"
    await reply_of_problem(Problem(404, "NOT_FOUND", detail)).send(send)


class Resource:
    """One path of the API and its methods, as an ASGI app behind the gate."""

    def __init__(self, house: House, methods: Mapping[str, Endpoint]) -> None:
        self._house = house
        self._methods = methods
        self._allow = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        method = scope["method"]
        endpoint = self._methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            detail = f"{scope['path'][:200]} does not take {method[:20]}; it takes {self._allow}"
            problem = Problem(405, "METHOD_NOT_ALLOWED", detail, headers={"allow": self._allow})
            await reply_of_problem(problem).send(send)
            return
        reply = await self._reply(endpoint, scope, receive)
        if isinstance(reply.body, bytes) or method == "HEAD":
            await reply.send(send)
            return
        try:
            await self._house.streams.send(reply, reply.body, receive, send)
        except Problem as problem:
            await reply_of_problem(problem).send(send)

    async def _reply(self, endpoint: Endpoint, scope: Any, receive: Any) -> Reply:
        admitted: Admitted = scope["pgflow.admitted"]
        lane = scope["path"] if scope["path"] in EXEMPT else WORK
        visit = Visit(self._house.app, endpoint, admitted, scope)
        try:
            await self._permit(endpoint, admitted, lane, scope["path"])
            if endpoint.method in body.WITH_BODY:
                visit.raw = await body.read_json(receive, admitted.headers, self._house.most_body_bytes)
        except Exception as error:  # noqa: BLE001 - becomes the response
            refusal = error
            return await self._house.lanes.run(lane, lambda: visit.refused(refusal))
        return await self._house.lanes.run(lane, visit.answered)

    async def _permit(self, endpoint: Endpoint, admitted: Admitted, lane: str, path: str) -> None:
        if admitted.exempt:
            return
        self._house.check_scope(admitted.actor, endpoint)
        if self._house.app.hooks.has("pgflow_authorize"):
            await self._house.lanes.run(lane, lambda: self._house.ask_plugins(admitted.actor, endpoint, path))


class Visit:
    """One request at its endpoint, from its bytes to its response; all of it in a thread."""

    def __init__(self, app: Any, endpoint: Endpoint, admitted: Admitted, scope: Any) -> None:
        self._app = app
        self._endpoint = endpoint
        self._admitted = admitted
        self._scope = scope
        self._note: dict[str, object] = {}
        self.raw = b""

    def answered(self) -> Reply:
        """Read, answer and audit."""
        try:
            reply = reply_of(self._endpoint, self._endpoint.answer(self._call()))
        except Exception as error:  # noqa: BLE001 - becomes the response
            return self.refused(error)
        return self._audited(reply)

    def refused(self, error: Exception) -> Reply:
        """Make the response of an error, and audit the attempt."""
        if isinstance(error, BodyTooLargeError) and self._endpoint.scope == "enqueue":
            self._decided(error)
        return self._audited(reply_of_problem(problem_of(error)))

    def _call(self) -> Call:
        endpoint, admitted = self._endpoint, self._admitted
        return Call(
            app=self._app,
            actor=admitted.actor,
            path=dict(zip(PARAMETER.findall(endpoint.path), self._scope["path_params"].values(), strict=True)),
            query=query.as_model(self._scope["query_string"], endpoint.query),
            body=body.as_model(self.raw, endpoint.body, required=endpoint.body_required),
            headers=admitted.headers,
            note=self._note,
        )

    def _audited(self, reply: Reply) -> Reply:
        if self._endpoint.changes:
            result = {"status": reply.status, **self._note}
            self._app.hooks.audit(self._admitted.actor, self._endpoint.name, self._scope["path"], result)
        return reply

    def _decided(self, error: BodyTooLargeError) -> None:
        # its queue is in the body, which nobody read
        details = {"limit": error.more["limit"], "by": self._admitted.actor.name, "message": error.detail}
        try:
            self._app.db.run(act.decide("ingest", "default", "rejected", error.code, details=details))
        except Exception as failure:  # noqa: BLE001 - the refusal stands without its record
            logger.warning("a refused body has no decision: %s", failure)
