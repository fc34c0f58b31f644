"""Makes what is in a database older than it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

AGED = """
update pgflow.attempts set job_id = pgflow.uuid_restamp(job_id, pgflow.uuid_time(job_id) - %(by)s),
  started_at = started_at - %(by)s, finished_at = finished_at - %(by)s;
update pgflow.jobs set id = pgflow.uuid_restamp(id, pgflow.uuid_time(id) - %(by)s), created_at = created_at - %(by)s;
update pgflow.ready set job_id = pgflow.uuid_restamp(job_id, pgflow.uuid_time(job_id) - %(by)s);
update pgflow.scheduled set job_id = pgflow.uuid_restamp(job_id, pgflow.uuid_time(job_id) - %(by)s);
update pgflow.leases set job_ids = (
  select array_agg(pgflow.uuid_restamp(j, pgflow.uuid_time(j) - %(by)s)) from unnest(job_ids) as j);
update pgflow.dead_letters set job_id = pgflow.uuid_restamp(job_id, pgflow.uuid_time(job_id) - %(by)s),
  dead_at = dead_at - %(by)s;
update pgflow.cancellations set job_id = pgflow.uuid_restamp(job_id, pgflow.uuid_time(job_id) - %(by)s),
  asked_at = asked_at - %(by)s;
update pgflow.stats set bucket = bucket - %(by)s;
update pgflow.decisions set created_at = created_at - %(by)s;
update pgflow.rates set second = second - %(by)s;
update pgflow.workers set beat_at = beat_at - %(by)s;
update pgflow.unique_keys set expires_at = expires_at - %(by)s;
"""


def age(db: Any, days: float) -> None:
    """Let all that is on record have been so many days ago; jobs get the ids they would have had."""
    with db.transaction():
        for statement in AGED.strip().split(";\n"):
            db.execute(statement.rstrip(";"), {"by": timedelta(days=days)})


def aged(db: Any, job_id: str, days: float) -> str:
    """Tell the id a job has after it was aged."""
    asked = (
        "select pgflow.uuid_restamp(%(id)s::uuid, pgflow.uuid_time(%(id)s::uuid) - make_interval(secs => %(s)s))::text"
    )
    return str(db.execute(asked, {"id": job_id, "s": days * 86_400}).fetchone()[0])
