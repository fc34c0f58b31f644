"""A browser without scripts: asks for pages, reads their forms, and sends them as a browser would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import anyio.from_thread
import httpx

if TYPE_CHECKING:
    from types import TracebackType

OWN = {"sec-fetch-site": "same-origin", "accept": "text/html"}


@dataclass
class FormSeen:
    """A form of a page: where it goes, and what its fields hold."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Seen(HTMLParser):
    """Reads a page: its forms, links, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[FormSeen] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._area: list[str] | None = None
        self._words: list[str] = []
        self.feed(text)
        self.words = " ".join(" ".join(self._words).split())

    def form(self, name: str) -> FormSeen:
        """The form that has a field or a button of this name."""
        return next(one for one in self.forms if name in {field for field, _ in (*one.fields, *one.buttons)})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append(FormSeen(given.get("action") or "", given.get("method") or "get"))
        elif tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif self.forms and tag in ("input", "button", "textarea") and given.get("name"):
            self._field(tag, given)

    def _field(self, tag: str, given: dict[str, str | None]) -> None:
        form, pair = self.forms[-1], (str(given["name"]), given.get("value") or "")
        if tag == "button":
            form.buttons.append(pair)
        elif tag == "textarea":
            self._area = [pair[0]]
        elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
            form.fields.append(pair)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            self.forms[-1].fields.append((self._area[0], "".join(self._area[1:])))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)
        self._words.append(data)


class Pages:
    """Asks for pages of an ASGI app. Cookies are kept, redirects are not followed unless asked."""

    def __init__(self, transport: httpx.ASGITransport, headers: dict[str, str]) -> None:
        self._portal = anyio.from_thread.start_blocking_portal()
        self._call = self._portal.__enter__()
        self.client = httpx.AsyncClient(transport=transport, base_url="http://any.example", headers=headers)

    def close(self) -> None:
        self._call.call(self.client.aclose)
        none: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] = (None, None, None)
        self._portal.__exit__(*none)

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        given["headers"] = {**OWN, **given.get("headers", {})}
        return self._call.call(lambda: self.client.request(method, path, **given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.ask("GET", path, **given)

    def post(self, path: str, fields: list[tuple[str, str]] | dict[str, str], **given: Any) -> httpx.Response:
        from urllib.parse import urlencode

        given["headers"] = {"content-type": "application/x-www-form-urlencoded", **given.get("headers", {})}
        return self.ask("POST", path, content=urlencode(fields), **given)

    def send(self, at: httpx.Response, form: FormSeen, *more: tuple[str, str], **given: Any) -> httpx.Response:
        """Send a form of a page that was answered, with a button and other fields filled in."""
        names = {name for name, _ in more}
        fields = [pair for pair in form.fields if pair[0] not in names] + list(more)
        return self.post(str(at.url.join(form.action)), fields, **given)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Go where an answer leads."""
        assert answer.status_code in (303, 307), answer.text
        return self.get(str(answer.url.join(answer.headers["location"])))
