"""Tells a request that a page of another site makes in a browser from one that is meant (CSRF)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pgflow.admin import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CREDENTIALS: Final = ("x-api-key", "authorization")
OWN_SITES: Final = ("same-origin", "none")
DEFAULT_PORTS: Final = (":80", ":443")
FORM: Final = "application/x-www-form-urlencoded"


def refuse_forgery(method: str, headers: Mapping[str, str], *, forms: bool = False) -> None:
    """Let through what cannot be forged: safe methods, requests with a token of their own, and those of our pages.

    A browser adds no token by itself, and says where a request comes from; a program without a token says nothing
    and has no cookie. With `forms`, a plain form of our own pages is let through too. Raises `Problem`.
    """
    if method in SAFE or any(name in headers for name in CREDENTIALS):
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None and "cookie" not in headers:
        return
    if not (site in OWN_SITES if site is not None else _is_own(origin, headers.get("host"))):
        detail = "this comes from a page of another site: send it from the admin's own pages, or with a token"
        raise Problem(403, "CROSS_SITE", detail)
    kind = headers.get("content-type")
    if not (is_json(kind) or "hx-request" in headers or (forms and is_form(kind))):
        detail = "from a browser, a change is sent as application/json, or by htmx"
        raise Problem(403, "CROSS_SITE", detail)


def is_json(content_type: str | None) -> bool:
    """Say whether a Content-Type is JSON's in UTF-8."""
    kind, *parameters = (content_type or "").lower().split(";")
    charsets = [p.strip().removeprefix("charset=").strip('"') for p in parameters if p.strip().startswith("charset=")]
    return kind.strip() == "application/json" and all(charset in ("utf-8", "utf8") for charset in charsets)


def is_form(content_type: str | None) -> bool:
    """Say whether a Content-Type is that of a plain form."""
    return (content_type or "").lower().partition(";")[0].strip() == FORM


def _is_own(origin: str | None, host: str | None) -> bool:
    try:
        named = urlsplit(origin or "").netloc
    except ValueError:
        return False
    return bool(named) and _bare(named) == _bare(host or "")


def _bare(host: str) -> str:
    # a browser leaves the port of its scheme out of both; a proxy may not
    lower = host.lower()
    return next((lower.removesuffix(port) for port in DEFAULT_PORTS if lower.endswith(port)), lower)
