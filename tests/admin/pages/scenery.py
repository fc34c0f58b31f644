"""A shop with a bad day: jobs of every fate, for the pages to be looked at, in tests and in screenshots."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import moves
from aging import age
from pgflow import Actor, App
from pgflow.model import OutcomeKind
from pgflow.plugins.audit import entries
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.spec import Schedule
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.store.pool import Pool

WORKER = "web-1-4711-9f2c01aa"
OTHER_WORKER = "web-2-4022-51b0ce9d"
LOST_WORKER = "web-3-1209-77d1e0a4"
"""One that fell silent four minutes ago."""

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/pgflow/worker/runners.py", line 118, in _run
    return await call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/orders/receipts.py", line 42, in send_receipt
    rendered = render(order, template="receipt")
  File "/srv/shop/orders/templates.py", line 17, in render
    total = sum(line["price"] * line["count"] for line in order["lines"])
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/.venv/lib/python3.12/site-packages/money/arithmetic.py", line 203, in __mul__
    raise TypeError(f"cannot multiply {type(other).__name__}")
TypeError: cannot multiply NoneType"""

SMTP = """Traceback (most recent call last):
  File "/srv/shop/orders/receipts.py", line 51, in send_receipt
    with smtplib.SMTP(settings.SMTP_HOST, timeout=10) as server:
  File "/usr/local/lib/python3.12/smtplib.py", line 255, in __init__
    (code, msg) = self.connect(host, port)
  File "/usr/local/lib/python3.12/socket.py", line 852, in create_connection
    raise exceptions[0]
ConnectionRefusedError: [Errno 111] Connection refused"""

STATS = """
with steps as (
  select pgflow_step, n from (select date_bin('10 s', now(), '2000-01-01') - n * interval '10 s' as pgflow_step, n
    from generate_series(1, %(steps)s) as n) as s
), rates as (
  select s.pgflow_step, q.queue, q.task,
    greatest(1, (q.base * (1 + 0.35 * sin(s.n / 47.0) + 0.2 * sin(s.n / 9.0 + q.base)))::int) as ran,
    q.run * (1 + 0.4 * sin(s.n / 31.0)) as run,
    case when s.n between 20 and 95 and q.queue = 'mail' then 4.0 else 0.05 end as wait,
    case when s.n between 20 and 95 and q.queue = 'mail' then 0.22 else 0.004 end as bad
  from steps as s cross join (values ('mail', 'shop.send_receipt', 90, 0.12), ('billing', 'shop.charge_card', 24, 0.6),
    ('media', 'shop.resize_picture', 55, 0.35)) as q (queue, task, base, run)
), ends as (
  select r.*, e.outcome, case when e.outcome = 'failed' then (r.ran * r.bad)::int else r.ran end as jobs
  from rates as r cross join (values ('succeeded'::pgflow.outcome), ('failed'::pgflow.outcome)) as e (outcome)
)
insert into pgflow.stats
select pgflow_step, queue, task, %(worker)s, outcome, jobs, jobs * wait, jobs * run,
  pgflow.histogram((
    select array_agg(wait * (0.3 + 1.4 * k / jobs::float)) from generate_series(0, jobs - 1) as k)),
  pgflow.histogram((select array_agg(run * (0.2 + 2.2 * (k / jobs::float) ^ 3)) from generate_series(0, jobs - 1) as k))
from ends where jobs > 0
on conflict do nothing
"""

DECIDED = """
insert into pgflow.decisions (kind, queue, decision, reason_code, task, details, count, created_at, last_at)
select d.kind, d.queue, d.decision, d.reason, d.task, d.details::json,
  greatest(1, (d.many * (1 + sin(n / d.wave)))::int), now() - n * interval '10 min', now() - n * interval '10 min'
from generate_series(1, 140) as n cross join (values
  ('policy', 'media', 'throttled', 'ATTEMPT_RATE_EXCEEDED', null, '{"limit": 60}', 6, 7.0),
  ('policy', 'media', 'put_off', 'OFF_HOURS', 'shop.resize_picture', '{"until": 9}', 3, 11.0),
  ('ingest', 'mail', 'rejected', 'PAYLOAD_TOO_LARGE', 'shop.send_receipt', '{"bytes": 300000}', 2, 5.0)
) as d (kind, queue, decision, reason, task, details, many, wave)
where d.many * (1 + sin(n / d.wave)) > 1
order by n desc
"""

FIRED = """
update pgflow.schedules set fired = case name when 'nightly' then 41 else 3172 end, missed = 2,
  last_at = case name when 'nightly' then date_trunc('day', now()) + interval '3 h' else now() - interval '2 h' end
"""

WORKERS = """
insert into pgflow.workers (id, started_at, beat_at, pid, slots, running, stopping, host, version, backend, queues,
  tasks, long_running)
values (%(one)s, now() - interval '3 h', now() + interval '1 h', 4711, 100, 6, false, 'web-1', '0.1.0', 'asyncio',
  '{mail,media}', '{shop.send_receipt,shop.resize_picture}', %(long)s),
  (%(two)s, now() - interval '26 h', now() + interval '1 h', 4022, 100, 0, false, 'web-2', '0.1.0', 'trio',
  '{mail,billing,media}',
   '{shop.send_receipt,shop.charge_card,shop.resize_picture}', '[]'),
  (%(lost)s, now() - interval '9 h', now() - interval '4 min', 1209, 100, 2, false, 'web-3', '0.1.0', 'asyncio',
  '{media}', '{shop.resize_picture}', '[]')
"""


RECEIPT = '{"to": "ada@example.com", "api_token": "sk-live-831", "locale": "en"}'
LINES = '[{"sku": "T-12", "price": null, "count": 2}, {"sku": "M-3", "price": 1250, "count": 1}]'
ORDER = f'[{{"id": 4711, "lines": {LINES}, "gift": true}}]'
CARD = '{"card": "4242424242424242", "cents": 1990}'
MAIL = {"queue": "mail", "task": "shop.send_receipt", "args": ORDER, "kwargs": RECEIPT, "max_attempts": 5}
BILLING = {"queue": "billing", "task": "shop.charge_card", "args": "[4711]", "kwargs": CARD, "max_attempts": 3}
MEDIA = {"queue": "media", "task": "shop.resize_picture", "args": "[81]", "kwargs": '{"width": 640}'}


@dataclass
class Scenery:
    """Ids of the jobs that somebody may want to look at."""

    dead: list[str] = field(default_factory=list)
    retrying: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)
    showcase: str = ""
    """A dead job with several attempts, minutes apart."""


def declare(app: App) -> None:
    """Declare the shop's tasks."""

    @app.task(name="shop.send_receipt", queue="mail", max_attempts=5)
    def send_receipt(order: dict[str, Any], *, to: str, api_token: str = "", locale: str = "en") -> str: ...

    @app.task(name="shop.charge_card", queue="billing", max_attempts=3, sensitive=("card",))
    def charge_card(order_id: int, *, card: str, cents: int) -> None: ...

    @app.task(name="shop.resize_picture", queue="media")
    def resize_picture(picture: int, *, width: int = 320) -> None: ...

    @app.task(name="shop.export_orders", queue="exports")
    def export_orders(day: str) -> None: ...


def build(app: App, db: Any, *, rounds: int = 1, scale: float = 1) -> Scenery:
    """Fill a database, several times over where it is to look older; ids are those of the last round.

    `scale` says how many of those that wait there are.
    """
    for _ in range(rounds - 1):
        _round(app, None)
        db.execute("delete from pgflow.stats")
        age(db, 11 / 1440)
    # first, since its claims would take what others are to have
    showcase = _showcase(app.pool, db, MAIL)
    made = _round(app, scale)
    made.showcase = showcase
    app.pool.run(act.pause("billing", "the bank is closed until nine"))
    _decide(app, made)
    _schedule(app)
    _spread(db)
    running = enumerate(made.running[:3], 1)
    long = [{"job_id": one, "task": "shop.resize_picture", "seconds": 312.5 / n} for n, one in running]
    db.execute(WORKERS, {"one": WORKER, "two": OTHER_WORKER, "lost": LOST_WORKER, "long": json.dumps(long)})
    return made


def _round(app: App, scale: float | None) -> Scenery:
    pool, made = app.pool, Scenery()
    mail, billing, media = MAIL, BILLING, MEDIA
    made.succeeded = _end(pool, 14, media, OutcomeKind.SUCCEEDED) + _end(pool, 9, mail, OutcomeKind.SUCCEEDED)
    deaths: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
        (11, mail, _error("UNKNOWN", "TypeError: cannot multiply NoneType (order 4711)", TRACEBACK)),
        (4, mail, _error("DEPENDENCY_DOWN", "ConnectionRefusedError: [Errno 111] Connection refused", SMTP)),
        (3, billing, _error("CARD_DECLINED", "order 4711: over the card's limit", None, "NON_RETRYABLE")),
        (1, media, _error("PANIC", "the process was killed by signal 9", None, "WORKER_CRASHED")),
    ]  # fmt: skip
    for many, fields, error in deaths:
        made.dead += _end(pool, many, fields, OutcomeKind.DEAD, spent=fields.get("max_attempts", 25), **error)
    again = {"delay": 900.0, "spent": 1, **_error("DEPENDENCY_DOWN", "smtp: connection refused by 10.0.0.7", SMTP)}
    made.retrying = _end(pool, 5, mail, OutcomeKind.FAILED, **{k: v for k, v in again.items() if k != "reason_code"})
    if scale is None:
        return made
    made.scheduled = moves.put(pool, round(6 * scale), delay=5400.0, **media)
    made.running = moves.put(pool, round(6 * scale), **media)
    moves.claim(pool, 6, queue="media", worker=WORKER, seconds=3600)
    made.queued = moves.put(pool, round(12 * scale), **mail)
    made.queued += moves.put(pool, round(7 * scale), queue="exports", task="shop.export_orders", args='["2026-11-25"]')
    moves.put(pool, round(5 * scale), **billing)
    return made


def _decide(app: App, made: Scenery) -> None:
    said: list[tuple[Any, ...]] = [
        ("ingest", "mail", "rejected", "PAYLOAD_TOO_LARGE", "shop.send_receipt", None, {"bytes": 300_000}),
        ("policy", "billing", "held", "QUEUE_PAUSED", None, None, {"reason": "the bank is closed until nine"}),
        ("policy", "media", "throttled", "ATTEMPT_RATE_EXCEEDED", None, None, {"limit": 60}),
    ]  # fmt: skip
    if made.scheduled:
        said.append(("policy", "media", "put_off", "OFF_HOURS", "shop.resize_picture", made.scheduled[0], {"until": 9}))
    for kind, queue, decision, reason, task, job_id, details in said:
        app.pool.run(act.decide(kind, queue, decision, reason, task=task, job_id=job_id, details=details))


def _schedule(app: App) -> None:
    schedules = Schedules(app)
    nightly = Schedule(expression="0 3 * * *", args=["2026-11-25"])
    schedules.put("nightly", "shop.export_orders", nightly, queue="exports")
    schedules.put("warm-up", "shop.resize_picture", Schedule(seconds=900.0, args=[81], kwargs={"width": 64}))
    schedules.pause("warm-up", "the cache is being moved")


def look_back(app: App, db: Any) -> None:
    """Give decisions, schedules and the audit a past to show."""
    db.execute(DECIDED)
    db.execute(FIRED)
    for who, action, resource, details in (
        ("ada", "reveal_job", "/jobs/01a217fa-f760-7346-87bf-0a580d4bf707/reveal", {"status": 200}),
        ("ada", "replay_dead", "/dlq/replay", {"status": 200, "replayed": 10, "rate": 5}),
        ("deploy", "set_limits", "/queues/media", {"status": 200, "max_in_flight": 40}),
        ("reader", "cancel_job", "/jobs/01a217fa-f760-7346-87bf-0a580d4bf707/cancel", {"status": 403}),
        ("ada", "pause_queue", "/queues/billing/pause", {"status": 200, "reason": "the bank is closed until nine"}),
    ):
        app.pool.run(entries.keep(Actor(who, frozenset()), action, resource, details))
    db.execute(
        "update pgflow.audit as a set at = now() - make_interval(mins => 4) * (n * n)"
        " from (select id, row_number() over (order by id desc) as n from pgflow.audit) as o where o.id = a.id"
    )


def draw_stats(db: Any, *, steps: int = 8_640) -> None:
    """Give the charts a past to show: so many times ten seconds, a day of it."""
    db.execute(STATS, {"worker": WORKER, "steps": steps})


def _error(code: str, message: str, traceback: str | None, reason: str = "MAX_ATTEMPTS_EXCEEDED") -> dict[str, Any]:
    return {"error_code": code, "error_message": message, "traceback": traceback, "reason_code": reason}


def _end(pool: Pool, many: int, fields: dict[str, Any], kind: OutcomeKind, **said: Any) -> list[str]:
    ids = moves.put(pool, many, **fields)
    claimed = moves.claim(pool, many, queue=fields["queue"], worker=OTHER_WORKER)
    mine = [job for job in claimed if job.job_id in ids]
    moves.finish(pool, [moves.ended(job, kind, **said) for job in mine])
    return ids


def _spread(db: Any) -> None:
    # deaths over the last three hours, more of them of late
    db.execute("""
      with aged as (
        select job_id, row_number() over (order by job_id) as n, count(*) over () as many from pgflow.dead_letters)
      update pgflow.dead_letters as d
      set dead_at = now() - interval '3 h' * ((aged.many - aged.n)::float / aged.many) ^ 2
      from aged where aged.job_id = d.job_id""")


def _showcase(pool: Pool, db: Any, fields: dict[str, Any]) -> str:
    [job_id] = moves.put(pool, 1, **{**fields, "max_attempts": 3})
    errors: Sequence[dict[str, Any]] = (
        _error("DEPENDENCY_DOWN", "ConnectionRefusedError: [Errno 111] Connection refused", SMTP),
        _error("TIMEOUT", "the run took longer than 30 s", None),
        _error("UNKNOWN", "TypeError: cannot multiply NoneType (order 4711)", TRACEBACK),
    )
    for spent, error in enumerate(errors, 1):
        claimed = next(
            job for job in moves.claim(pool, 100, queue=fields["queue"], worker=WORKER) if job.job_id == job_id
        )
        last = spent == len(errors)
        said = error if last else {k: v for k, v in error.items() if k != "reason_code"}
        kind = OutcomeKind.DEAD if last else OutcomeKind.FAILED
        moves.finish(pool, [moves.ended(claimed, kind, spent=spent, delay=None if last else 0.0, **said)])
    # minutes apart: it came 14 min ago, ran for 2 s, 30 s and 0.4 s, and waited between
    for attempt, began, ended, due in ((1, 838, 836, 776), (2, 771, 741, 621), (3, 619, 618.6, None)):
        db.execute(
            "update pgflow.attempts set started_at = now() - make_interval(secs => %s), finished_at = now()"
            " - make_interval(secs => %s), next_run_at = now() - make_interval(secs => %s)"
            " where job_id = %s and attempt = %s",
            (began, ended, due, job_id, attempt),
        )
    db.execute(
        "update pgflow.jobs set created_at = now() - interval '840 s', run_at = now() - interval '840 s' where id = %s",
        (job_id,),
    )
    db.execute("update pgflow.dead_letters set dead_at = now() - interval '618 s' where job_id = %s", (job_id,))
    return job_id
