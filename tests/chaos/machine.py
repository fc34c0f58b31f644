"""The store's own statements as rules of a state machine: whatever their order, the tables are as the model foretells."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chaos.model import Model
from chaos.model_values import AT_ONCE, FINAL, LATE, SOON, End, Hand, Job
from chaos.tables import differences, foretold, look
from moves import IDS
from pgflow.model import Claimed, NewJob, Outcome, OutcomeKind
from pgflow.store import buckets, forget, keys, limited
from pgflow.store import jobs as sql
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from pgflow.store.pool import Pool

QUEUES: Final = ("a", "b")
LIMITED: Final = "limited"
IN_FLIGHT: Final = 2
A_MINUTE: Final = 9
WORKERS: Final = ("w1", "w2", "w3")
CLOCK_SECONDS: Final = 0.002  # what was put off by a millisecond is due behind it

workers = st.sampled_from(WORKERS)
queues = st.sampled_from(QUEUES)
places = st.integers(0, 9)
some = st.lists(places, min_size=1, max_size=3)
asked = st.fixed_dictionaries({
    "queue": st.sampled_from((*QUEUES, LIMITED)),
    "priority": st.sampled_from((0, 0, 1, -1)),
    "max_attempts": st.sampled_from((2, 1, 3)),
    "delay": st.sampled_from((AT_ONCE, AT_ONCE, SOON, LATE)),
    "expires_in": st.sampled_from((None, None, SOON, LATE)),
    "unique_key": st.sampled_from((None, None, "k1", "k2")),
})  # fmt: skip
ways = st.sampled_from(("succeeded", "failed", "failed", "snoozed", "released", "dead", "cancelled", "expired"))
delays = st.sampled_from((AT_ONCE, SOON, LATE))
LAPSE: Final = (
    "update pgflow.leases set expires_at = clock_timestamp() + %s * interval '1 s' where id = any (%s::uuid[])"
)
# an entry's key is what its job's rows tell, so that a jump in time is one of all three
PASS_TIME: Final = """
with moved as (update pgflow.scheduled set run_at = now() returning job_id, attempt),
told as (
  update pgflow.attempts as a set next_run_at = now() from moved as m where a.job_id = m.job_id and a.attempt = m.attempt - 1
)
update pgflow.jobs as j set run_at = now() from moved as m where j.id = m.job_id and m.attempt = 1"""


class StoreMachine(RuleBasedStateMachine):
    """Workers, people and upkeep, all in one thread: each rule asks the store and the model, and compares."""

    pool: ClassVar[Pool]
    db: ClassVar[psycopg.Connection[Any]]
    audit: ClassVar[Callable[[], None]]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.pool.run(act.reset())
        self.model = Model()
        self.ids: list[str] = []
        self.asked: list[list[NewJob]] = []
        self.hands: list[Claimed] = []
        self.today = buckets.name_of("day", datetime.now(UTC))

    @invariant()
    def the_tables_are_as_foretold(self) -> None:
        type(self).steps += 1
        assert differences(look(self.db), foretold(self.model)) == []

    def teardown(self) -> None:
        self.audit()
        if self.model.bucket is not None:
            buckets.remove(self.pool, self.today)

    # the way of a job

    @rule(wishes=st.lists(asked, min_size=1, max_size=3))
    def enqueue(self, wishes: list[dict[str, Any]]) -> None:
        self._enqueue([NewJob(id=IDS.make(), task="t", **wish) for wish in wishes])

    @precondition(lambda self: self.asked)
    @rule(place=places)
    def enqueue_again_after_a_lost_answer(self, place: int) -> None:
        jobs = self.asked[place % len(self.asked)]
        if all(job.id in self.model.jobs for job in jobs):
            self._enqueue(jobs)

    @rule(queue=queues, worker=workers, most=st.integers(1, 5), lone=st.integers(1, 3), suspects=st.booleans())
    def claim(self, queue: str, worker: str, most: int, lone: int, suspects: bool) -> None:
        names = [sql.new_lease_id() for _ in range(1 + lone)]
        wanted = self.model.claim(queue, worker, names[0], names[1:], most, suspects=suspects)
        self._took(self.pool.run(_claim(queue, worker, names, most, suspects=suspects)).jobs, wanted)

    @rule(worker=workers, most=st.integers(1, 4))
    def claim_within_limits(self, worker: str, most: int) -> None:
        names = [sql.new_lease_id() for _ in range(3)]
        left = min(IN_FLIGHT - self.model.in_flight(LIMITED), A_MINUTE - self.model.charged[LIMITED])
        wanted = self.model.claim(LIMITED, worker, names[0], names[1:], min(most, left), suspects=True) if left else []
        self.model.charged[LIMITED] += len(wanted)
        limits = limited.Limits(LIMITED, worker, IN_FLIGHT, A_MINUTE)
        brought = self.pool.together(
            lambda run: limited.claim(run, limits, most, lambda n: _claim(LIMITED, worker, names, n, suspects=True))
        )
        assert brought.allowed == min(most, left)
        self._took(brought.jobs, wanted)

    @precondition(lambda self: self.model.leases)
    @rule(worker=workers)
    def recover_claims_in_doubt(self, worker: str) -> None:
        found = self.pool.run(sql.recover(worker, list(self.model.leases))).jobs
        held = self.model.still_held(worker, list(self.model.leases))
        assert {(job.lease_id, job.job_id, job.attempt) for job in found} == held

    @precondition(lambda self: any(map(self._runs, self.hands)))
    @rule(ends=st.lists(st.tuples(places, ways, delays), min_size=1, max_size=4), over=st.booleans())
    def finish(self, ends: list[tuple[int, str, float]], over: bool) -> None:
        self._finish(list(filter(self._runs, self.hands)), ends, over=over)

    @precondition(lambda self: self.hands)
    @rule(ends=st.lists(st.tuples(st.integers(0, 99), ways, delays), min_size=1, max_size=4), over=st.booleans())
    def finish_late_or_twice(self, ends: list[tuple[int, str, float]], over: bool) -> None:
        self._finish(self.hands, ends, over=over)

    @precondition(lambda self: self.model.leases)
    @rule(which=some, worker=workers)
    def beat(self, which: list[int], worker: str) -> None:
        names = _of(list(self.model.leases), which)
        self.model.extend(worker, names)
        self.pool.run(sql.extend_leases(worker, names, 60))
        stand = self.pool.run(sql.standing_leases(worker, names))
        assert {name: set(ids) for name, ids in stand.items()} == self.model.standing(worker, names)

    @precondition(lambda self: self.model.leases)
    @rule(which=some, back=st.booleans())
    def leases_jump_in_time(self, which: list[int], back: bool) -> None:
        names = _of(list(self.model.leases), which)
        self.db.execute(LAPSE, [-1 if back else 60, names])
        for name in names:
            self.model.leases[name].lapsed = back

    @rule()
    def reap(self) -> None:
        wanted = self.model.reap()
        assert {(row[0], row[1], row[2]) for row in self.pool.run(sql.reap())} == wanted

    @precondition(lambda self: any(lease.lapsed for lease in self.model.leases.values()))
    @rule()
    def reap_what_lapsed(self) -> None:
        self.reap()

    @rule()
    def promote(self) -> None:
        moved, wait = self.pool.run(sql.promote())
        assert moved == self.model.promote()
        assert (wait is not None) == any(job.place == "scheduled" for job in self.model.jobs.values())

    @precondition(lambda self: any(job.place == "scheduled" for job in self.model.jobs.values()))
    @rule()
    def time_passes_and_what_waits_is_due(self) -> None:
        self.model.time_passes()
        self.db.execute(PASS_TIME)
        self.promote()

    # what people do

    @precondition(lambda self: self.ids)
    @rule(which=some)
    def cancel(self, which: list[int]) -> None:
        ids = _of(self.ids, which)
        changes = self.pool.together(lambda run: act.cancel_many(run, ids, by="ann"))
        assert {change.job_id: change.result for change in changes} == self.model.cancel(ids)

    @precondition(lambda self: self.ids)
    @rule(which=some)
    def retry(self, which: list[int]) -> None:
        self._retry(_of(self.ids, which))

    @precondition(lambda self: self.model.letters)
    @rule(which=some)
    def retry_the_dead(self, which: list[int]) -> None:
        self._retry(_of(list(self.model.letters), which))

    @precondition(lambda self: self._ended())
    @rule(place=places)
    def replay(self, place: int) -> None:
        [old] = _of(self._ended(), [place])
        new_job = self.pool.run(act.source(old)).new_job(IDS.make())
        assert self.pool.together(lambda run: act.replay(run, new_job)) == new_job.id
        self.model.replay(old, new_job.id)
        self.ids.append(new_job.id)

    @precondition(lambda self: self.model.letters)
    @rule(which=some)
    def replay_many(self, which: list[int]) -> None:
        found = self.pool.run(act.sources(_of(list(self.model.letters), which)))
        new_jobs = [source.new_job(IDS.make()) for source in found]
        wanted = self.model.replay_many([(str(job.replay_of), job.id) for job in new_jobs])
        assert self.pool.together(lambda run: act.replay_many(run, new_jobs)) == wanted
        self.ids += wanted.values()

    @precondition(lambda self: self.model.letters)
    @rule(which=some, others=some)
    def discard(self, which: list[int], others: list[int]) -> None:
        ids = _of(list(self.model.letters), which) + _of(self.ids, others)
        changes = self.pool.together(lambda run: act.discard_many(run, ids))
        assert {change.job_id: change.result for change in changes} == self.model.discard(ids)

    @rule(queue=st.sampled_from((*QUEUES, LIMITED)), paused=st.booleans())
    def pause_or_resume(self, queue: str, paused: bool) -> None:
        if paused:
            self.pool.run(act.pause(queue))
            self.model.paused.add(queue)
        else:
            assert self.pool.run(act.resume(queue)) == (queue in self.model.paused)
            self.model.paused.discard(queue)

    # upkeep

    @rule()
    def the_bucket_of_today_is_made_or_dropped(self) -> None:
        if self.model.bucket is None:
            assert buckets._create(self.pool, self.today)
            held = buckets._held(self.today)
            self.model.bucket = buckets.floor_id(held[0]), buckets.floor_id(held[1])
        else:
            assert buckets.remove(self.pool, self.today) == self.model.drop_bucket()

    @rule()
    def forget_what_ended(self) -> None:
        time.sleep(CLOCK_SECONDS)
        assert forget.forget(self.pool, "default", 0, goes_on=lambda: True) == self.model.forget_ended()

    @rule(kind=st.sampled_from(("closed_letters", "dead_letters")))
    def forget_letters(self, kind: str) -> None:
        closed_only = kind == "closed_letters"
        wanted = self.model.forget_letters(closed_only=closed_only)
        assert forget.forget(self.pool, kind, 0, goes_on=lambda: True) == wanted

    # how these ask

    def _enqueue(self, jobs: list[NewJob]) -> None:
        known = [
            Job(j.id, j.queue, j.priority, j.max_attempts, j.unique_key, expired=j.expires_in == SOON) for j in jobs
        ]
        wanted = self.model.enqueue([(job, j.delay or AT_ONCE) for job, j in zip(known, jobs, strict=True)])
        given = self.pool.together(lambda run: keys.enqueue(run, jobs))
        assert given == wanted
        self.asked.append(jobs)
        self.ids += [job_id for job_id in dict.fromkeys(given) if job_id not in self.ids]
        time.sleep(CLOCK_SECONDS)

    def _took(self, found: Sequence[Claimed], wanted: list[Hand]) -> None:
        assert [
            Hand(j.job_id, j.attempt, j.spent, j.suspect, j.lease_id, j.expired, j.cancelled) for j in found
        ] == wanted
        self.hands += found

    def _runs(self, hand: Claimed) -> bool:
        job = self.model.jobs.get(hand.job_id)
        return job is not None and hand.lease_id in self.model.leases and len(job.runs) < hand.attempt

    def _ended(self) -> list[str]:
        return [job.id for job in self.model.jobs.values() if job.place in FINAL]

    def _retry(self, ids: list[str]) -> None:
        changes = self.pool.together(lambda run: act.retry_many(run, ids))
        assert {change.job_id: change.result for change in changes} == self.model.retry(ids)

    def _finish(self, hands: list[Claimed], told: list[tuple[int, str, float]], *, over: bool) -> None:
        outcomes = {}
        for place, way, delay in told:
            hand = hands[place % len(hands)]
            outcomes.setdefault((hand.job_id, hand.attempt), _outcome(hand, way, delay))
        ends = [
            End(o.job.lease_id, *run, str(o.kind), o.spent, o.delay, o.error_code, o.reason_code, o.suspect)
            for run, o in outcomes.items()
        ]
        complete = [name for name in dict.fromkeys(e.lease for e in ends) if self._accounted(name, outcomes.keys())]
        wanted = self.model.finish(ends, complete if over else [])
        asked_for = sql.finish(list(outcomes.values()), complete if over else [], time.monotonic())
        assert self.pool.run(asked_for) == wanted
        time.sleep(CLOCK_SECONDS)

    def _accounted(self, name: str, ended: Any) -> bool:
        lease = self.model.leases.get(name)
        return lease is not None and all(
            (job_id, attempt) in ended or not self.model._runs_now(job_id, attempt)
            for job_id, attempt, _ in lease.members
        )


def _claim(queue: str, worker: str, names: list[str], most: int, *, suspects: bool) -> Any:
    return sql.claim(queue, worker, names[0], names[1:], most, 60, mark=sql.HEAD, suspects=suspects)


def _of(known: Sequence[str], which: list[int]) -> list[str]:
    # the newest first: what a shrunk example is about
    return [known[-1 - place % len(known)] for place in which]


def _outcome(hand: Claimed, way: str, delay: float) -> Outcome:
    now = time.monotonic()
    plain = Outcome(hand, OutcomeKind(way), now - 0.001, now, hand.spent)
    if way == "failed" and hand.spent + 1 < hand.max_attempts:
        return plain._replace(spent=hand.spent + 1, delay=delay, error_code="UNKNOWN", error_message="no")
    if way in ("failed", "dead"):
        reason = "MAX_ATTEMPTS_EXCEEDED" if way == "failed" else "NON_RETRYABLE"
        dead = plain._replace(kind=OutcomeKind.DEAD, spent=hand.spent + 1, error_code="UNKNOWN", error_message="no")
        return dead._replace(reason_code=reason)
    if way in ("snoozed", "released"):
        return plain._replace(delay=delay, error_code=way.upper(), suspect=way == "released" and hand.suspect)
    return plain if way == "succeeded" else plain._replace(error_code=way.upper())
