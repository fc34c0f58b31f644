"""What a page has at hand: the request, the API called in-process, the links; one desk for each request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from pgflow.admin import Answer, Call, Problem
from pgflow.plugins.admin import query
from pgflow.plugins.admin.body import invalid, pointer_into_body
from pgflow.plugins.admin.pages.notes import NOTES
from pgflow.plugins.admin.pages.page import Elsewhere, Shown
from pgflow.plugins.admin.pages.rendering import rendered
from pgflow.plugins.admin.problems import problem_of
from pgflow.plugins.admin.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgflow import Actor
    from pgflow.admin import Endpoint
    from pgflow.plugins.admin.gate import Admitted
    from pgflow.plugins.admin.pages.page import Answered, Page
    from pgflow.plugins.admin.pages.site import Site

    Pairs = Iterable[tuple[str, str]] | Mapping[str, object]

PAGES: Final = "/ui/"
NEXT: Final = re.compile(r"(?!/)(?!.*//)(?!.*\.\.)[A-Za-z0-9_.:/-]*(\?[!-\[\]-~]*)?")
THEMES: Final = ("system", "light", "dark")
NOTE: Final = "did"


@dataclass(frozen=True, slots=True)
class Mark:
    """A link of the navigation."""

    title: str
    address: str
    icon: str
    key: str | None
    is_here: bool


class Desk:
    """One request of a page. `params` are the query's, `path` those of the address, by name."""

    def __init__(self, site: Site, page: Page, admitted: Admitted, scope: Any) -> None:
        self._site = site
        self.page = page
        self.admitted = admitted
        self.headers = admitted.headers
        self.path: dict[str, str] = dict(scope["path_params"])
        self.under = str(scope["path"]).removeprefix(PAGES)
        self.base = base_of(scope["path"])
        self._root = f"{self.base.removeprefix('./')}../"
        self.secure = scope.get("scheme") == "https"
        self.mount = str(scope.get("pgflow.mount", ""))
        self.app = site.house.app
        given = list(query.pairs(scope["query_string"]))
        self.note = NOTES.get(next((value for name, value in given if name == NOTE), ""))
        self.params = [(name, value) for name, value in given if name != NOTE]

    # asking the API

    def ask(self, name: str, given: Pairs = (), /, body: Mapping[str, Any] | None = None, **path: str) -> Any:
        """Ask an endpoint of the API as a request would: same rights, checks and audit; gives what it answers.

        Raises `Problem`.
        """
        endpoint = self._site.named.get(name)
        if endpoint is None:
            raise Problem(404, "NOT_FOUND", f"there is no {name}: the plugin that brings it is switched off")
        resource = endpoint.path.format_map(path)
        note: dict[str, object] = {}
        try:
            self._permit(endpoint, resource)
            answer = endpoint.answer(self._call(endpoint, given, body, path, note))
        except Exception as error:
            problem = problem_of(error)
            self._audit(endpoint, resource, problem.status, note)
            raise problem from error
        status = answer.status if isinstance(answer, Answer) and answer.status else endpoint.status
        self._audit(endpoint, resource, status, note)
        return answer.body if isinstance(answer, Answer) else answer

    def ask_if_there(self, name: str, given: Pairs = (), /, **path: str) -> Any:
        """Ask an endpoint that may be missing or forbidden to this actor; gives None where it is."""
        if name not in self._site.named:
            return None
        try:
            return self.ask(name, given, None, **path)
        except Problem as problem:
            if problem.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                return None
            raise

    def permit(self, name: str) -> None:
        """Raise `Problem` where this actor may not ask an endpoint whose data a page has from elsewhere."""
        endpoint = self._site.named[name]
        self._permit(endpoint, endpoint.path)

    def may(self, name: str) -> bool:
        """Say whether this actor may call an endpoint, so that no page offers what would be refused."""
        endpoint = self._site.named.get(name)
        try:
            if endpoint is not None:
                self._site.house.check_scope(self.admitted.actor, endpoint)
        except Problem:
            return False
        return endpoint is not None

    # links

    def to(self, address: str = "", **params: object) -> str:
        """Link to a page below `/ui/`; parameters that are None or empty are left out."""
        return f"{self.base}{quote(address, safe='/:')}{query_text(params.items())}"

    def to_api(self, address: str, **params: object) -> str:
        """Link to the API."""
        return f"{self._root}{quote(address, safe='/:')}{query_text(params.items())}"

    def here(self, **changed: object) -> str:
        """Link to this page with some parameters changed; one that is None is left out, and so is the cursor."""
        kept = [(name, value) for name, value in self.params if name not in changed and name != "cursor"]
        return f"{self.base}{quote(self.under, safe='/:')}{query_text([*kept, *changed.items()])}"

    @property
    def address(self) -> str:
        """This page's address below `/ui/`, with its query."""
        return f"{quote(self.under, safe='/:')}{query_text(self.params)}"

    def param(self, name: str, default: str = "") -> str:
        """Give a parameter's text."""
        return next((value for given, value in self.params if given == name), default)

    # what stands around a page

    @property
    def changes(self) -> list[str]:
        """The names of the endpoints that change something, as the audit has them."""
        return sorted(name for name, endpoint in self._site.named.items() if endpoint.changes)

    @property
    def actor(self) -> Actor:
        """Who looks."""
        return self.admitted.actor

    @property
    def signed_in(self) -> bool:
        """True where a session let this request in, which can be ended."""
        return self.admitted.session is not None

    @property
    def read_only(self) -> bool:
        """True where the admin refuses every change."""
        return self._site.house.read_only

    @property
    def theme(self) -> str:
        """The colours that were chosen: system, light or dark."""
        cookies = self.headers.get("cookie", "")
        return next((one for one in THEMES[1:] if f"pgflow_theme={one}" in cookies), THEMES[0])

    @property
    def marks(self) -> list[Mark]:
        """The links of the navigation."""
        if self.admitted.exempt:
            return []
        own = [
            Mark(page.title or "", self.to(page.path), page.icon, page.key, is_here=self._is_below(page.path))
            for page in self._site.pages
            if page.title and (page.needs is None or self.may(page.needs))
        ]
        return own + [Mark(one.title, self._root + one.path, "dot", None, is_here=False) for one in self._site.nav]

    @property
    def panels(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What plugins show on this page."""
        return [(one.title, one.render(self.app)) for one in self._site.panels if one.page == self.page.name]

    @property
    def sessions(self) -> Any:
        """The sessions of this admin."""
        return self._site.door.sessions

    # answering

    def reply(self, answered: Answered) -> Reply:
        """Make the response."""
        if isinstance(answered, Elsewhere):
            return Reply(303, b"", "text/plain", {"location": self.base + answered.address, **answered.headers})
        return rendered(answered, desk=self)

    def refused(self, error: Exception) -> Reply:
        """Make the response of an error, as a page."""
        problem = problem_of(error)
        return self.reply(Shown("problem.html", {"problem": problem}, problem.status, problem.headers))

    def _is_below(self, path: str) -> bool:
        return self.under == path or bool(path and self.under.startswith(f"{path}/"))

    def _permit(self, endpoint: Endpoint, resource: str) -> None:
        self._site.house.check_scope(self.admitted.actor, endpoint)
        self._site.house.ask_plugins(self.admitted.actor, endpoint, resource)

    def _call(self, endpoint: Endpoint, given: Any, body: Any, path: dict[str, str], note: dict[str, object]) -> Call:
        pairs = given.items() if hasattr(given, "items") else given
        texts = [(name, str(value)) for name, value in pairs if value not in (None, "")]
        return Call(
            app=self.app,
            actor=self.admitted.actor,
            path=path,
            query=query.model_of(texts, endpoint.query),
            body=_body(endpoint, body),
            headers=self.headers,
            note=note,
        )

    def _audit(self, endpoint: Endpoint, resource: str, status: int, note: Mapping[str, object]) -> None:
        if endpoint.changes:
            self.app.hooks.audit(self.admitted.actor, endpoint.name, resource, {"status": status, **note})


def base_of(path: str) -> str:
    """Give the way from a page back to `ui/`: relative, since nobody here knows what stands before it."""
    if not path.startswith(PAGES):
        return "ui/"
    return "../" * path.removeprefix(PAGES).count("/") or "./"


def query_text(params: Iterable[tuple[str, object]]) -> str:
    """Write a query with its question mark; nothing where there are no parameters."""
    kept = [(name, value) for name, value in params if value not in (None, "")]
    return f"?{urlencode(kept)}" if kept else ""


def safe_next(text: str) -> str:
    """Give an address below `/ui/` that a form named; none where it could lead out of here."""
    return text if NEXT.fullmatch(text) else ""


def _body(endpoint: Endpoint, given: Mapping[str, Any] | None) -> Any:
    if endpoint.body is None:
        return None
    try:
        return endpoint.body.model_validate(dict(given or {}))
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False), pointer_into_body) from None
