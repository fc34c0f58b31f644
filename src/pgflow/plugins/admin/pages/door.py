"""The way in to the pages: what is open to all, who is signed in, and a refusal that a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.plugins.admin.pages.desk import PAGES, base_of
from pgflow.plugins.admin.pages.files import open_paths
from pgflow.plugins.admin.pages.page import Shown
from pgflow.plugins.admin.pages.rendering import rendered
from pgflow.plugins.admin.pages.sessions import COOKIE, Sessions
from pgflow.plugins.admin.replies import Reply

if TYPE_CHECKING:
    from pgflow.admin import Credentials, Problem

SIGN_IN: Final = "/ui/sign-in"
UNAUTHORIZED: Final = 401


class Door:
    """Who may come in to the pages; asked by the gate."""

    def __init__(self, session_seconds: float) -> None:
        self.sessions = Sessions(session_seconds)
        self.open_paths = open_paths() | {SIGN_IN}
        self.way_in = SIGN_IN

    def session_of(self, given: Credentials) -> str | None:
        """The cookie of a request."""
        return given.cookies.get(COOKIE)

    def refusal(self, scope: Any, path: str, problem: Problem) -> Reply | None:
        """Make a page of a refusal where a browser asked for one; None where a program did."""
        headers = dict(scope["headers"])
        if not (path.startswith(PAGES) or path == PAGES[:-1]) or b"text/html" not in headers.get(b"accept", b""):
            return None
        if problem.status == UNAUTHORIZED and b"hx-request" in headers:
            # a part of a page was asked for: the whole of it is to be asked for again
            return Reply(UNAUTHORIZED, b"", "text/plain", {**problem.headers, "hx-refresh": "true"})
        template = "sign_in.html" if problem.status == UNAUTHORIZED else "refusal.html"
        return rendered(Shown(template, _given(scope, path, problem, headers), problem.status, problem.headers))


def _given(scope: Any, path: str, problem: Problem, headers: dict[bytes, bytes]) -> dict[str, Any]:
    query = bytes(scope.get("query_string", b"")).decode("ascii", "replace")
    under = path.removeprefix(PAGES)
    # behind a link from another site a strict cookie is not sent; from our own page, a moment later, it is
    comes_back = headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and scope["method"] == "GET"
    return {
        "base": base_of(path), "problem": problem, "theme": "system", "failed": False, "comes_back": comes_back,
        "next": (f"{under}?{query}" if query else under) if scope["method"] == "GET" else "",
    }  # fmt: skip
