"""The admin within another app, under any prefix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from wire import asgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App


def in_starlette(admin: Any) -> Any:
    """An outer app with the admin in it."""
    return Starlette(routes=[Mount("/in/here", admin)])


def in_fastapi(admin: Any) -> Any:
    """The same of FastAPI's."""
    outer = FastAPI()
    outer.mount("/in/here", admin)
    return outer


@pytest.mark.anyio
@pytest.mark.parametrize("outer", [in_starlette, in_fastapi])
@pytest.mark.parametrize("root", ["", "/proxy"])
async def test_it_is_mounted_under_any_prefix(app: App, outer: Callable[[Any], Any], root: str) -> None:
    at = f"{root}/in/here"
    transport = httpx.ASGITransport(outer(app.admin_asgi()), client=("127.0.0.1", 1), root_path=root)
    async with httpx.AsyncClient(transport=transport, base_url="http://any.example", follow_redirects=True) as client:
        assert (await client.get(f"{at}/probe?limit=5")).json()["limit"] == 5
        assert (await client.get(f"{at}/health/live")).json() == {"status": "ok"}
        page = await client.get(f"{at}/")
        assert (page.status_code, page.url.path) == (200, f"{at}/ui/")
        links = re.findall(r'href="([^"]+)"', page.text)
        assert "../openapi.json" in links
        assert (await client.get(page.url.join("../openapi.json"))).json()["servers"] == [{"url": "./"}]
        assert (await client.post(f"{at}/probe/9/poke")).json() == {"id": "9"}
        missing = await client.get(f"{at}/nothing")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
        refused = await client.put(f"{at}/probe")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST, HEAD")


@pytest.mark.anyio
async def test_parameters_of_the_mount_are_not_the_endpoints(app: App) -> None:
    outer = Starlette(routes=[Mount("/{tenant}/{id}", app.admin_asgi())])
    transport = httpx.ASGITransport(outer, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://any.example") as client:
        assert (await client.post("/a/b/probe/9/poke")).json() == {"id": "9"}


@pytest.mark.anyio
async def test_a_mount_asked_for_without_its_slash_leads_into_it(app: App) -> None:
    scope = {"type": "http", "method": "GET", "path": "/in/here", "root_path": "/in/here", "headers": [],
             "query_string": b"", "client": ("127.0.0.1", 1)}  # fmt: skip
    sent = await asgi(app.admin_asgi(), scope, {"type": "http.request"})
    assert sent[0]["status"] == 307
    assert (b"location", b"./here/") in sent[0]["headers"]
