"""The chaos app with a schedule: a job every second that no client has asked for."""

from __future__ import annotations

from chaos.tasks import app
from pgflow.plugins.cron import every


@app.task(queue="quick", schedule=every(seconds=1))
async def tick() -> None:
    """Do nothing, every second."""
