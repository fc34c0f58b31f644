"""Log records made within a run carry the job's name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pgflow import App
from pgflow.plugins.logs import Logs
from pgflow.testing import drain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("shop")


@pytest.fixture(autouse=True)
def factory() -> Iterator[None]:
    """Put the record factory back behind the test."""
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_records_made_in_a_run_name_the_job(
    plugin_app: Callable[..., App], caplog: pytest.LogCaptureFixture, backend: str
) -> None:
    app = plugin_app(Logs(context=True))

    @app.task(queue="mail")
    async def waits() -> None:
        logger.warning("in a coroutine")

    @app.task
    def plain() -> None:
        logger.warning("in a thread")

    jobs = {"in a coroutine": waits.enqueue(), "in a thread": plain.enqueue()}
    drain(app, backend=backend)  # type: ignore[arg-type]
    logger.warning("outside")
    said = {record.message: record for record in caplog.records if record.name == "shop"}
    for text, job in jobs.items():
        assert said[text].job_id == job.id  # type: ignore[attr-defined]
        assert said[text].job_attempt == 1  # type: ignore[attr-defined]
    assert said["in a coroutine"].job_queue == "mail"  # type: ignore[attr-defined]
    assert said["outside"].job_id is None  # type: ignore[attr-defined]


def test_switched_off_it_wraps_nothing() -> None:
    app = App("shop", plugins=[Logs()])

    @app.task
    def plain() -> None: ...

    assert app.hooks.middleware(plain) == []
