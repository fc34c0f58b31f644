"""A task that does nothing, for worker processes to import."""

from __future__ import annotations

from pgflow import App

app = App("noop")


@app.task(queue="noop")
async def nothing(n: int) -> None:
    """Do nothing."""
