"""The gate: every request of every kind, method and mount passes it before anything else of the admin sees it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final

from pgflow import Actor
from pgflow.admin import LOCAL, Credentials, Problem
from pgflow.plugins.admin.lanes import GATE
from pgflow.plugins.admin.origin import CREDENTIALS, refuse_forgery
from pgflow.plugins.admin.problems import problem_of
from pgflow.plugins.admin.query import text_of
from pgflow.plugins.admin.replies import reply_of_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.plugins.admin.hosts import Hosts
    from pgflow.plugins.admin.lanes import Lanes
    from pgflow.plugins.admin.pages.door import Door

logger = logging.getLogger("pgflow.admin")

EXEMPT: Final = frozenset({"/health", "/health/live"})
PAGES: Final = "/ui/"
LOOKING: Final = frozenset({"GET", "HEAD"})
NOBODY: Final = Actor("anonymous", frozenset())
# what decides on a request may be said once only: two hops that read another one of two would disagree
ONCE: Final = frozenset(
    {"host", "authorization", "x-api-key", "origin", "sec-fetch-site", "content-type", "content-length"}
    | {"content-encoding", "idempotency-key", "hx-request"}
)
POLICY_VIOLATION: Final = 1008
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE: Final = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that passed the gate: who makes it, and its headers by their names in lower case."""

    actor: Actor
    headers: Mapping[str, str]
    exempt: bool = field(default=False)
    session: str | None = None
    """The cookie by which a browser was let in."""


class Gate:
    """The outermost part of the admin, around its router."""

    def __init__(self, app: Any, inner: Any, hosts: Hosts, lanes: Lanes, door: Door) -> None:
        self._app = app
        self._inner = inner
        self._hosts = hosts
        self._lanes = lanes
        self._door = door
        self._open = EXEMPT | door.open_paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "there are no websockets here"})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        guarded = _Sender(send, is_head=scope["method"] == "HEAD")
        path = path_of(scope)
        try:
            admitted = await self._admit(scope, path)
        except Exception as error:  # noqa: BLE001 - becomes the response
            problem = problem_of(error)
            reply = self._door.refusal(scope, path, problem) or reply_of_problem(problem)
            await reply.send(guarded)
            return
        # the router is given the very path that was judged
        judged = {"path": path, "root_path": "", "path_params": {}, "pgflow.admitted": admitted}
        await self._inner({**scope, **judged, "pgflow.mount": scope.get("root_path", "")}, receive, guarded)

    async def _admit(self, scope: Any, path: str) -> Admitted:
        headers = _headers(scope["headers"])
        if not self._hosts.allow(headers.get("host"), scope.get("server")):
            detail = "the admin does not go by this name: ask for it by its address, or set PGFLOW_ADMIN_ALLOWED_HOSTS"
            raise Problem(421, "UNKNOWN_HOST", detail)
        if scope["method"] in LOOKING and path in self._open:
            return Admitted(NOBODY, headers, exempt=True)
        is_page = path.startswith(PAGES)
        if scope["method"] == "POST" and path == self._door.way_in:
            refuse_forgery("POST", headers, forms=True)
            return Admitted(NOBODY, headers, exempt=True)
        client = scope.get("client")
        address = str(client[0]) if client else None
        given = Credentials(headers, scope["method"], path, address, _cookies(headers.get("cookie")))
        actor, session = await self._actor(given), None
        if actor is None and is_page:
            actor, session = await self._actor_of_session(given)
        if actor is None:
            detail = "say who you are: send a token as x-api-key, or as Authorization: Bearer"
            raise Problem(401, "UNAUTHORIZED", detail, headers={"www-authenticate": 'Bearer realm="pgflow"'})
        refuse_forgery(scope["method"], headers, forms=is_page)
        _check_path(scope, path)
        return Admitted(actor, headers, session=session)

    async def _actor(self, given: Credentials) -> Actor | None:
        if not self._app.hooks.has("pgflow_authenticate"):
            return LOCAL if given.is_local and self._app.settings.api_token is None else None
        actor: Actor | None = await self._lanes.run(GATE, lambda: self._app.hooks.authenticate(given))
        return actor

    async def _actor_of_session(self, given: Credentials) -> tuple[Actor | None, str | None]:
        # a cookie stands for the token it was given for, which is judged anew each time; on pages only
        session = self._door.session_of(given)
        token = self._door.sessions.token(session) if session else None
        if token is None or any(name in given.headers for name in CREDENTIALS):
            return None, None
        return await self._actor(replace(given, headers={**given.headers, "x-api-key": token})), session


class _Sender:
    """Adds the security headers to a response, and takes the body of one to a HEAD away."""

    def __init__(self, send: Any, *, is_head: bool) -> None:
        self._send = send
        self._is_head = is_head

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in SECURITY_HEADERS}
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
            if not any(name.lower() == NO_STORE[0] for name, _ in headers):
                headers.append(NO_STORE)
            message = {**message, "headers": [*headers, *SECURITY_HEADERS]}
        elif message["type"] == "http.response.body" and self._is_head:
            message = {**message, "body": b""}
        await self._send(message)


def path_of(scope: Any) -> str:
    """The path within the admin: without the prefix it is mounted under, whether or not that was taken off before."""
    path, mount = str(scope["path"]), str(scope.get("root_path", ""))
    if mount and (path == mount or path.startswith(f"{mount}/")):
        return path[len(mount) :]
    return path


def _headers(raw: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name not in found:
            found[name] = value
        elif name in ONCE:
            raise Problem(400, "REPEATED_HEADER", f"the header {name} is sent twice: send it once")
        else:
            found[name] += ("; " if name == "cookie" else ", ") + value
    return found


def _cookies(header: str | None) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header or "").items()}
    except CookieError:
        return {}


def _check_path(scope: Any, path: str) -> None:
    raw = scope.get("raw_path")
    if raw is not None:
        text_of(bytes(raw), "the path")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise Problem(400, "BAD_TEXT", "the path holds a control character")
