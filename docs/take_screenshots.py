"""Takes the pictures of the admin's pages, docs/images/*.png, in Debian's chromium: `nox -s screenshots`."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import scenery
from playwright.sync_api import sync_playwright

from pgflow import App
from pgflow.plugins.admin.address import Address
from pgflow.plugins.admin.asgi import build
from pgflow.plugins.admin.server import Server
from pgflow.store.embedded import acquire
from pgflow.store.migrate import migrate
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGES: Final = Path(__file__).parent / "images"
SERVER: Final = Path(".pgflow/postgres")
CHROMIUM: Final = "/usr/bin/chromium"
ROUNDS: Final = 4

PICTURES: Final[dict[str, Callable[[scenery.Scenery], str]]] = {
    "overview": lambda _: "",
    "jobs": lambda _: "jobs",
    "job": lambda made: f"jobs/{made.showcase}",
    "dead-letters": lambda _: "dead",
    "replay": lambda made: f"jobs/{made.showcase}/replay",
    "queues": lambda _: "queues",
    "queue": lambda _: "queues/mail",
    "workers": lambda _: "workers",
    "worker": lambda _: f"workers/{scenery.WORKER}",
    "schedules": lambda _: "schedules",
    "decisions": lambda _: "decisions",
    "audit": lambda _: "audit",
}
DESK: Final = {"viewport": {"width": 1320, "height": 900}}
PHONE: Final = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
KINDS: Final[dict[str, dict[str, Any]]] = {
    "": {**DESK, "color_scheme": "light"},
    "-dark": {**DESK, "color_scheme": "dark"},
    "-phone": {**PHONE, "color_scheme": "light"},
}
SETTLED_MS: Final = 1_500
"""Until the stream is open and the charts are drawn."""


@contextmanager
def shop(server: str) -> Iterator[tuple[str, scenery.Scenery]]:
    """Serve a shop on its bad day; gives the address and the jobs."""
    with temporary(server) as address, ExitStack() as stack:
        app = App("shop", dsn=address, dataset_bucket="none")
        stack.callback(app.close)
        migrate(app.pool, app.migrations)
        scenery.declare(app)
        db = stack.enter_context(psycopg.connect(address, autocommit=True))
        made = scenery.build(app, db, rounds=ROUNDS, scale=0.3)
        scenery.draw_stats(db)
        scenery.look_back(app, db)
        plugin: Any = app.hooks.plugins.named("admin")
        at = Address("127.0.0.1", 0)
        served = Server(build(app, plugin.settings, address=at), at)
        served.start()
        stack.callback(served.stop)
        yield served.url, made


def take(url: str, made: scenery.Scenery, wanted: list[str]) -> None:
    """Take each picture of each kind."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for kind, given in KINDS.items():
            context = browser.new_context(**given)
            page = context.new_page()
            for name in wanted:
                page.goto(f"{url}ui/{PICTURES[name](made)}")
                page.wait_for_timeout(SETTLED_MS)
                page.screenshot(path=IMAGES / f"{name}{kind}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    with acquire(SERVER) as embedded, shop(embedded.url) as (where, jobs):
        take(where, jobs, sys.argv[1:] or list(PICTURES))
