"""The static files: read once, sent with their digest as ETag; those of others are listed with version and licence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from starlette.routing import Route

from pgflow.admin import Problem
from pgflow.plugins.admin.replies import Reply, reply_of_problem

FOLDER: Final = Path(__file__).parent / "static"
MANIFEST: Final = FOLDER / "vendor" / "manifest.json"
PATH: Final = "/ui/static/"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent."""

    name: str
    body: bytes
    media_type: str
    digest: str


@cache
def files() -> dict[str, StaticFile]:
    """Give all files by their names below `/ui/static/`."""
    found = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {one.name: one for one in (_read(path) for path in found)}


def vendored() -> list[dict[str, str]]:
    """Give what the manifest says of each file that is not our own."""
    listed: list[dict[str, str]] = json.loads(MANIFEST.read_text("utf-8"))["files"]
    return listed


def address(name: str) -> str:
    """Give a file's address below `/ui/`; it changes with the file. Raises `KeyError`."""
    return f"static/{name}?v={files()[name].digest[:12]}"


def open_paths() -> frozenset[str]:
    """Give the paths that need no token."""
    return frozenset(PATH + name for name in files())


def route() -> Route:
    """Make the route of all of them."""
    return Route(PATH + "{name:path}", Files(), methods=None)


class Files:
    """Sends a file, or says that the client has it."""

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._reply(scope).send(send)

    def _reply(self, scope: Any) -> Reply:
        found = files().get(scope["path_params"]["name"])
        if scope["method"] not in ("GET", "HEAD"):
            return reply_of_problem(
                Problem(405, "METHOD_NOT_ALLOWED", "a file is only read", headers={"allow": "GET, HEAD"})
            )
        if found is None:
            return reply_of_problem(Problem(404, "NOT_FOUND", "there is no such file"))
        etag = f'"{found.digest[:32]}"'
        is_named = scope["query_string"] == f"v={found.digest[:12]}".encode()
        headers = {"etag": etag, "cache-control": FOR_EVER if is_named else ASK_AGAIN}
        if etag in scope["pgflow.admitted"].headers.get("if-none-match", ""):
            return Reply(304, b"", found.media_type, headers)
        return Reply(200, found.body, found.media_type, headers)


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(path.relative_to(FOLDER).as_posix(), body, TYPES[path.suffix], sha256(body).hexdigest())
