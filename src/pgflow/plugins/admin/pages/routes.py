"""Turns pages into routes: each request is read, answered in a thread, and every error is a page too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from pgflow.admin import Problem
from pgflow.plugins.admin.lanes import WORK
from pgflow.plugins.admin.pages import files
from pgflow.plugins.admin.pages.desk import Desk, query_text
from pgflow.plugins.admin.pages.forms import read_form
from pgflow.plugins.admin.pages.page import Elsewhere, Page
from pgflow.plugins.admin.replies import Reply, reply_of_problem
from pgflow.plugins.admin.routing import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered
    from pgflow.plugins.admin.pages.site import Site

DATA: Final = ("events", "stats", "decision_stats")
"""Endpoints of the API that pages read by script; below `/ui/`, a session lets them in."""
SCOPE: Final = "read"


def routes(site: Site) -> list[Route]:
    """Make the routes of all pages, of the static files and of the data that pages read."""
    made = [files.route(), Route("/ui", Slash(), methods=None)]
    made += [
        Route(f"/ui/{name}", Resource(site.house, {"GET": site.named[name]}), methods=None)
        for name in DATA
        if name in site.named
    ]
    ordered = [*sorted(site.pages, key=lambda page: page.path.count("{")), MISSING]
    return made + [Route(f"/ui/{page.path}", PageResource(site, page), methods=None) for page in ordered]


def _missing(desk: Desk) -> Answered:
    raise Problem(404, "NOT_FOUND", f"there is no page {desk.under[:200]}")


MISSING: Final = Page(path="{rest:path}", name="missing", show=_missing)


class Slash:
    """Leads from `/ui` into it."""

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer one request."""
        await Reply(307, b"", "text/plain", {"location": "ui/"}).send(send)


class PageResource:
    """One page, as an ASGI app behind the gate."""

    def __init__(self, site: Site, page: Page) -> None:
        self._site = site
        self._page = page
        methods = (("GET, HEAD", page.show), ("POST", page.act))
        self._allow = ", ".join(names for names, answers in methods if answers is not None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        method = scope["method"]
        if method not in self._allow.split(", "):
            detail = f"{scope['path'][:200]} does not take {method[:20]}; it takes {self._allow}"
            problem = Problem(405, "METHOD_NOT_ALLOWED", detail, headers={"allow": self._allow})
            await reply_of_problem(problem).send(send)
            return
        reply = await self._reply(scope, receive)
        await reply.send(send)

    async def _reply(self, scope: Any, receive: Any) -> Reply:
        house, admitted = self._site.house, scope["pgflow.admitted"]
        try:
            desk = Desk(self._site, self._page, admitted, scope)
        except Problem as problem:
            return reply_of_problem(problem)
        try:
            self._check(desk)
            form = None
            if scope["method"] == "POST":
                form = await read_form(receive, admitted.headers, house.most_body_bytes)
        except Exception as error:  # noqa: BLE001 - becomes the response
            refusal = error
            return await house.lanes.run(WORK, lambda: desk.refused(refusal))
        return await house.lanes.run(WORK, lambda: _answered(desk, self._answer(desk, form)))

    def _check(self, desk: Desk) -> None:
        if not self._page.is_open and not desk.actor.may(SCOPE):
            raise Problem(403, "FORBIDDEN", f"{desk.actor.name} has not the scope {SCOPE}, which pages need")

    def _answer(self, desk: Desk, form: Form | None) -> Callable[[], Answered]:
        show, act = self._page.show, self._page.act
        if form is not None and act is not None:
            return lambda: act(desk, form)
        if any(not value for _, value in desk.params):
            # a form sends its empty fields too; an address to be passed on has none
            return lambda: Elsewhere(desk.under + query_text(desk.params))
        return lambda: show(desk) if show is not None else Elsewhere("")


def _answered(desk: Desk, answer: Callable[[], Answered]) -> Reply:
    try:
        return desk.reply(answer())
    except Exception as error:  # noqa: BLE001 - becomes the response
        return desk.refused(error)
