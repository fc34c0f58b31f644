"""The demo's app: tasks that succeed, fail and come back, or give up. `pgflow demo` tells their story."""

from __future__ import annotations

from pgflow.app import App
from pgflow.errors import JobError
from pgflow.retry import Fixed
from pgflow.task import Context

QUEUE = "demo"
CARD_LIMIT_CENTS = 100_000
CLOSED = "BANK_CLOSED"
DECLINED = "CARD_DECLINED"

app = App("demo")


class Outside:
    """The world that tasks depend on. The demo closes the bank for a while; elsewhere it is open."""

    bank_is_open = True


outside = Outside()


@app.task(queue=QUEUE, keep_result=True)
async def greet(name: str) -> str:
    """Succeed at once, on the event loop."""
    return f"Welcome, {name}!"


@app.task(queue=QUEUE)
def resize(picture: int, *, width: int = 320) -> None:
    """Succeed in a thread, after a little work."""
    sum(n * width for n in range(picture % 100 * 100))


@app.task(queue=QUEUE, bind=True, max_attempts=5, retry_policy=Fixed(0.2))
async def ship(job: Context, order: int, *, failures: int = 1) -> None:
    """Fail `failures` times, then succeed."""
    if job.spent < failures:
        msg = f"the warehouse did not answer for order {order}"
        raise ConnectionError(msg)


@app.task(queue=QUEUE)
async def charge(order: int, *, cents: int) -> None:
    """Give up at once where trying again is no use: the bank is closed, or the amount too large."""
    if not outside.bank_is_open:
        msg = f"order {order}: the bank opens at nine"
        raise JobError(CLOSED, msg, retryable=False)
    if cents > CARD_LIMIT_CENTS:
        msg = f"order {order}: {cents} cents are over the card's limit"
        raise JobError(DECLINED, msg, retryable=False)


@app.task(queue=QUEUE, max_attempts=3, retry_policy=Fixed(0.2))
def refund(order: int) -> None:
    """Try three times, and give up while the bank is closed."""
    if not outside.bank_is_open:
        msg = f"order {order}: the bank does not answer"
        raise TimeoutError(msg)


@app.task(queue=QUEUE)
async def archive(document: str) -> None:
    """Never run in the demo: its document is larger than a job's arguments may be."""
