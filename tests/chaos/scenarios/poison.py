"""Jobs that kill, block or choke their worker, among others that do not."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from chaos import poisons, tasks
from chaos.ledger import Ledger
from chaos.offering import offered
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

MEMORY_BYTES = 4_000_000_000
EVERY_SECONDS = 1.2
LAST_SECONDS = 100.0
# what blocks the event loop for so long is ended with its worker
BLOCKED_SECONDS = "5"

LEFT = """
select count(*) from pgflow.job_state where queue = 'poison' and state not in ('succeeded', 'dead', 'cancelled')
"""
INNOCENT = """
select count(*), min(job_id::text), min(task), min(reason_code), min(error_message) from pgflow.dead_letters
where queue <> 'poison' and task <> 'chaos.tasks.dying'
"""
ENDS = """
select j.task, j.id::text, s.state, d.reason_code, d.error_code, coalesce(d.error_message, '')
from pgflow.jobs as j join pgflow.job_state as s on s.id = j.id left join pgflow.dead_letters as d on d.job_id = j.id
where j.queue = 'poison'
"""
# a suspect that runs beside a culprit nobody suspects yet goes down with it, and it is held against the suspect
BESIDE = """
select bool_and(exists (
  select from pgflow.attempts as b join pgflow.jobs as k on k.id = b.job_id
  where b.worker_id = a.worker_id and b.job_id <> a.job_id and b.outcome in ('lost', 'dead')
    and b.error_code = 'LEASE_EXPIRED' and abs(extract(epoch from b.finished_at - a.finished_at)) < 2
    and k.task = any (%(deadly)s)))
from pgflow.attempts as a where a.job_id = %(job_id)s and a.error_code = 'LEASE_EXPIRED'
"""


def setup(stage: Stage) -> None:
    stage.workers = 0
    wishes = {"CHAOS_MEMORY_BYTES": str(MEMORY_BYTES), "PGFLOW_BLOCKED_LOOP_SECONDS": BLOCKED_SECONDS}
    stage.fleet.start(3, env=wishes, argv=("-A", "chaos.poisons:app"))


def strike(stage: Stage) -> None:
    kinds: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in poisons.FATES]
    kinds += [("returns_a_monster", (monster,)) for monster in poisons.MONSTERS]
    tasks.app.configure(database_url=stage.direct_url, embedded=False)
    given = 0
    with Ledger(stage.ledger_dir) as book, closing(tasks.app):
        while given < len(kinds) or not stage.over():
            if given % len(kinds) == 0:
                stage.rng.shuffle(kinds)
            name, args = kinds[given % len(kinds)]
            given += 1
            with offered([f"poison-{given}"], "poison", book) as answer:
                answer.ids = [getattr(poisons, name).enqueue(*args).id]
            time.sleep(EVERY_SECONDS)
    stage.log(f"{given} poisonous jobs")
    end = time.monotonic() + LAST_SECONDS
    while stage.ask(LEFT)[0][0] and time.monotonic() < end:
        time.sleep(0.2)


def verify(stage: Stage) -> None:
    count, *sample = stage.ask(INNOCENT)[0]
    if count:
        stage.blame("R6", count, " ".join(map(str, sample)), "jobs died that did no harm")
    for task, job_id, state, reason, code, message in stage.ask(ENDS):
        fault = _fault(task.rpartition(".")[2], state, reason, code, message)
        if fault and not (reason == poisons.CRASHED and _went_down_with_another(stage, job_id)):
            stage.blame("R6", 1, job_id, f"{task} {fault}")
    stage.demand_bite(len(stage.fleet.exits()), "no worker has died")


def _went_down_with_another(stage: Stage, job_id: str) -> bool:
    deadly = [f"chaos.poisons.{name}" for name in sorted(poisons.DEADLY)]
    return bool(stage.ask(BESIDE, {"job_id": job_id, "deadly": deadly})[0][0])


def _fault(name: str, state: str, reason: str, code: str, message: str) -> str:
    fate = poisons.FATES.get(name, poisons.REFUSED)
    if fate is poisons.HELD_ON:
        return ""
    if state != "dead" or reason != fate.reason or code not in fate.codes:
        return f"ended {state}, {reason}, {code}, {message[:200]!r}; it had to die of {fate}"
    return "" if message else "died without a word"


POISON = Scenario(
    "poison",
    "Jobs exit, crash, take all memory, loop, hog the interpreter and return or raise what cannot be stored: the "
    "culprit dies for a reason that says so, and no other job does.",
    strike,
    setup,
    verify=verify,
)
