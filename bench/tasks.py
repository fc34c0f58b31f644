"""The jobs that benchmarks run: they do nothing, so that all that is measured is pgflow."""

from __future__ import annotations

from pgflow import App

app = App("bench")


@app.task
async def nothing(n: int) -> None:
    """Do nothing, on the event loop."""


@app.task
def nothing_in_thread(n: int) -> None:
    """Do nothing, in a thread."""
