"""The shop served to a browser, its places, a tab that notes what goes wrong, and what a page is looked over for."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import scenery

from pgflow import App
from pgflow.plugins.admin import Admin
from pgflow.plugins.admin.address import Address
from pgflow.plugins.admin.asgi import build
from pgflow.plugins.admin.server import Server
from pgflow.plugins.auth import Auth
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    from collections.abc import Callable

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
FAULTS = """
async (rules) => (await axe.run(document, {resultTypes: ['violations'], preload: false, ...rules})).violations
  .filter((one) => ['serious', 'critical'].includes(one.impact))
  .map((one) => [one.id, one.nodes.slice(0, 3).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`)])
"""
BEYOND = """
() => [...document.querySelectorAll('main *')]
  .filter((one) => one.getBoundingClientRect().right > 361)
  .filter((one) => !one.closest('pre, .scroll, .tabs, svg, .sr, caption, thead'))
  .map((one) => one.outerHTML.slice(0, 120)).slice(0, 3)
"""
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))"
CONTRAST = {"runOnly": ["color-contrast"]}
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}

PLACES: dict[str, Callable[[scenery.Scenery], str]] = {
    "overview": lambda _: "",
    "jobs": lambda _: "jobs?limit=12",
    "jobs filtered": lambda _: "jobs?state=dead&queue=mail",
    "jobs none": lambda _: "jobs?queue=nowhere",
    "job dead": lambda made: f"jobs/{made.showcase}",
    "job running": lambda made: f"jobs/{made.running[0]}",
    "job queued": lambda made: f"jobs/{made.queued[0]}",
    "replay": lambda made: f"jobs/{made.showcase}/replay",
    "dead": lambda _: "dead",
    "letters": lambda _: "dead/list?open=true",
    "queues": lambda _: "queues",
    "queue": lambda _: "queues/mail",
    "queue paused": lambda _: "queues/billing?window=5m",
    "workers": lambda _: "workers",
    "worker": lambda _: f"workers/{scenery.WORKER}",
    "worker silent": lambda _: f"workers/{scenery.LOST_WORKER}",
    "worker gone": lambda _: "workers/web-9",
    "schedules": lambda _: "schedules",
    "schedule": lambda _: "schedules/nightly",
    "schedule paused": lambda _: "schedules/warm-up",
    "decisions": lambda _: "decisions",
    "decisions filtered": lambda _: "decisions?kind=policy&queue=media&window=7d",
    "audit": lambda _: "audit",
    "sign-in": lambda _: "sign-in",
    "nothing": lambda _: "nowhere",
}


class House:
    """The shop, served: its jobs, its address, and a browser to look with."""

    def __init__(self, stack: ExitStack, browser: Any, server_url: str, template: str, **settings: Any) -> None:
        self.url_of_database = stack.enter_context(temporary(server_url, template))
        plugins = [Admin(**settings.pop("admin", {})), Auth()]
        quick = {"dataset_bucket": "none", **settings}
        self.app = App("shop", dsn=self.url_of_database, plugins=plugins, **quick)
        stack.callback(self.app.close)
        scenery.declare(self.app)
        self.db = stack.enter_context(psycopg.connect(self.url_of_database, autocommit=True))
        self.made = scenery.build(self.app, self.db)
        self.browser = browser
        self.stack = stack
        plugin: Any = self.app.hooks.plugins.named("admin")
        self.asgi = build(self.app, plugin.settings, address=Address("127.0.0.1", 0))
        self.url = self.serve(self.asgi)

    def serve(self, asgi: Any) -> str:
        """Serve an ASGI app for as long as the house stands."""
        server = Server(asgi, Address("127.0.0.1", 0))
        server.start()
        self.stack.callback(server.stop)
        return server.url

    def path(self, place: str) -> str:
        """The address of a place."""
        return f"{self.url}ui/{PLACES[place](self.made)}"


class Tab:
    """A page, and what was wrong on it: errors, violations of the policy, dialogs, requests that failed."""

    def __init__(self, house: House, **given: Any) -> None:
        self.context = house.browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **given})
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def ready(page: Any, address: str) -> None:
    """Go to a page, and wait until it is there."""
    page.goto(address, wait_until="load")


def faults_of(tab: Tab, address: str) -> dict[str, Any]:
    """Look a page over: by axe in light, its contrast in the dark, and on a phone for what stands out at the side."""
    page = tab.page
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    ready(page, address)
    page.evaluate(AXE)
    found = {"light": page.evaluate(FAULTS, {})}
    page.emulate_media(color_scheme="dark")
    found["dark"] = page.evaluate(FAULTS, CONTRAST)
    page.set_viewport_size(PHONE)
    page.evaluate(FRAMES)  # charts follow the size by the next one
    found["phone"] = page.evaluate(BEYOND)
    found["sideways"] = page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]
    return found
