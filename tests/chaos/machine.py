"""The store's own statements as rules of a state machine: in whatever order, the tables are as the model foretells."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chaos.machine_moves import (
    A_MINUTE,
    CLOCK_SECONDS,
    HASTEN,
    IN_FLIGHT,
    JUMP,
    LIMITED,
    QUEUES,
    asked,
    claiming,
    end,
    of,
    outcome,
    places,
    some,
    workers,
)
from chaos.model import Model
from chaos.model_values import AT_ONCE, FINAL, SOON, End, Hand, Job
from chaos.tables import differences, foretold, look
from moves import IDS, flushed
from pgflow.model import Claimed, NewJob
from pgflow.store import buckets, claims, forget, keys, limited
from pgflow.store import jobs as sql
from pgflow.store.admin import act
from pgflow.store.admin.audit import Scope, audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from pgflow.store.pool import Pool
    from pgflow.views import Change


class StoreMachine(RuleBasedStateMachine):
    """Workers, people and upkeep, all in one thread: each rule asks the store and the model, and compares."""

    pool: ClassVar[Pool]
    db: ClassVar[psycopg.Connection[Any]]
    seen: ClassVar[Counter[str]]
    """How often what came about, over all histories: one in which nothing happens proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.pool.run(act.reset())
        self.model = Model()
        self.ids: list[str] = []
        self.asked: list[list[NewJob]] = []
        self.hands: list[Claimed] = []
        self.has_forgotten = False
        self.today = buckets.name_of("day", datetime.now(UTC))

    @invariant()
    def the_tables_are_as_foretold(self) -> None:
        self.seen["comparisons"] += 1
        assert differences(look(self.db), foretold(self.model)) == []

    def teardown(self) -> None:
        self.seen["histories"] += 1
        for (_, kind, _), count in self.model.counts.items():
            self.seen[kind] += count
        kept = 0.0 if self.has_forgotten else 86_400.0
        scope = Scope(kept_seconds=kept, reap_seconds=3600, limits={LIMITED: IN_FLIGHT}, rates={LIMITED: A_MINUTE})
        assert audit(self.pool, scope) == []
        if self.model.bucket is not None:
            buckets.remove(self.pool, self.today)

    # the way of a job

    @initialize(wishes=st.lists(asked, min_size=3, max_size=6))
    def there_is_work(self, wishes: list[dict[str, Any]]) -> None:
        self.enqueue(wishes)

    @rule(wishes=st.lists(asked, min_size=1, max_size=3))
    def enqueue(self, wishes: list[dict[str, Any]]) -> None:
        self._enqueue([NewJob(id=IDS.make(), task="t", **wish) for wish in wishes])

    @precondition(lambda self: self.asked)
    @rule(place=places)
    def enqueue_again_after_a_lost_answer(self, place: int) -> None:
        jobs = self.asked[place % len(self.asked)]
        if all(job.id in self.model.jobs for job in jobs):
            self._enqueue(jobs)

    @precondition(lambda self: self._waiting())
    @rule(place=places, worker=workers, most=st.integers(1, 5), lone=st.integers(1, 3), suspects=st.booleans())
    def claim(self, place: int, worker: str, most: int, lone: int, suspects: bool) -> None:
        [queue] = of(self._waiting(), [place])
        names = [claims.new_lease_id() for _ in range(1 + lone)]
        if queue == LIMITED:
            self._claim_within_limits(worker, names, most)
        else:
            wanted = self.model.claim(queue, worker, names[0], names[1:], most, suspects=suspects)
            self._took(self.pool.run(claiming(queue, worker, names, most, suspects=suspects)).jobs, wanted)

    @precondition(lambda self: self._waiting())
    @rule(place=places, worker=workers, ends=st.lists(end, min_size=1, max_size=4), over=st.booleans())
    def work(self, place: int, worker: str, ends: list[tuple[int, str, float]], over: bool) -> None:
        self.claim(place, worker, 4, 3, suspects=True)
        if held := list(filter(self._runs, self.hands)):  # a queue may be paused, or held back
            self._finish(held, ends, over=over)

    @precondition(lambda self: self._waiting())
    @rule(place=places, worker=workers)
    def crash(self, place: int, worker: str) -> None:
        self.claim(place, worker, 4, 3, suspects=True)
        self.leases_jump_in_time(list(range(len(self.model.leases))), back=True)
        self.reap()
        self.time_passes_and_what_waits_is_due()

    @precondition(lambda self: self.model.leases)
    @rule(worker=workers)
    def recover_claims_in_doubt(self, worker: str) -> None:
        found = self.pool.run(claims.recover(worker, list(self.model.leases))).jobs
        held = self.model.still_held(worker, list(self.model.leases))
        assert {(job.lease_id, job.job_id, job.attempt) for job in found} == held

    @precondition(lambda self: any(map(self._runs, self.hands)))
    @rule(ends=st.lists(end, min_size=1, max_size=4), over=st.booleans())
    def finish(self, ends: list[tuple[int, str, float]], over: bool) -> None:
        self._finish(list(filter(self._runs, self.hands)), ends, over=over)

    @precondition(lambda self: self.hands)
    @rule(ends=st.lists(end, min_size=1, max_size=4), over=st.booleans())
    def finish_late_or_twice(self, ends: list[tuple[int, str, float]], over: bool) -> None:
        self._finish(self.hands[::-1], ends, over=over)

    @precondition(lambda self: self.model.leases)
    @rule(which=some, worker=workers)
    def beat(self, which: list[int], worker: str) -> None:
        names = of(list(self.model.leases), which)
        self.model.extend(worker, names)
        self.pool.run(sql.extend_leases(worker, names, 60))
        stand = self.pool.run(sql.standing_leases(worker, names))
        assert {name: set(ids) for name, ids in stand.items()} == self.model.standing(worker, names)

    @precondition(lambda self: self.model.leases)
    @rule(which=some, back=st.booleans())
    def leases_jump_in_time(self, which: list[int], back: bool) -> None:
        names = of(list(self.model.leases), which)
        self.db.execute(JUMP, [-1 if back else 60, names])
        for name in names:
            self.model.leases[name].lapsed = back

    @precondition(lambda self: any(lease.lapsed for lease in self.model.leases.values()))
    @rule()
    def reap(self) -> None:
        wanted = self.model.reap()
        self.seen.update(f"reaped as {outcome}" for _, _, outcome in wanted)
        assert {(row[0], row[1], row[2]) for row in self.pool.run(sql.reap())} == wanted

    @precondition(lambda self: any(job.place == "scheduled" for job in self.model.jobs.values()))
    @rule()
    def promote(self) -> None:
        moved, wait = self.pool.run(sql.promote())
        assert moved == self.model.promote()
        assert (wait is not None) == any(job.place == "scheduled" for job in self.model.jobs.values())

    @precondition(lambda self: any(job.place == "scheduled" for job in self.model.jobs.values()))
    @rule()
    def time_passes_and_what_waits_is_due(self) -> None:
        self.model.time_passes()
        self.db.execute(HASTEN)
        self.promote()

    # what people do

    @precondition(lambda self: self.ids)
    @rule(which=some)
    def cancel(self, which: list[int]) -> None:
        self._cancel(of(self.ids, which))

    @precondition(lambda self: any(map(self._runs, self.hands)))
    @rule(which=some)
    def cancel_what_runs(self, which: list[int]) -> None:
        self._cancel(of([hand.job_id for hand in self.hands if self._runs(hand)], which))

    @precondition(lambda self: self.ids)
    @rule(which=some)
    def retry(self, which: list[int]) -> None:
        self._retry(of(self.ids, which))

    @precondition(lambda self: self.model.letters)
    @rule(which=some)
    def retry_the_dead(self, which: list[int]) -> None:
        self._retry(of(list(self.model.letters), which))

    @precondition(lambda self: self._ended())
    @rule(place=places)
    def replay(self, place: int) -> None:
        [old] = of(self._ended(), [place])
        new_job = self.pool.run(act.source(old)).new_job(IDS.make())
        assert self.pool.together(lambda run: act.replay(run, new_job)) == new_job.id
        self.model.replay(old, new_job.id)
        self.ids.append(new_job.id)

    @precondition(lambda self: self.model.letters)
    @rule(which=some)
    def replay_many(self, which: list[int]) -> None:
        found = self.pool.run(act.sources(of(list(self.model.letters), which)))
        new_jobs = [source.new_job(IDS.make()) for source in found]
        wanted = self.model.replay_many([(str(job.replay_of), job.id) for job in new_jobs])
        assert self.pool.together(lambda run: act.replay_many(run, new_jobs)) == wanted
        self.seen["replayed in bulk"] += len(wanted)
        self.ids += wanted.values()

    @precondition(lambda self: self.model.letters)
    @rule(which=some, others=some)
    def discard(self, which: list[int], others: list[int]) -> None:
        ids = of(list(self.model.letters), which) + of(self.ids, others)
        changes = self.pool.together(lambda run: act.discard_many(run, ids))
        self._became("discard", changes, self.model.discard(ids))

    @rule(queue=st.sampled_from((*QUEUES, LIMITED)), paused=st.sampled_from((False, False, True)))
    def pause_or_resume(self, queue: str, paused: bool) -> None:
        if paused:
            self.pool.run(act.pause(queue))
            self.model.paused.add(queue)
        else:
            assert self.pool.run(act.resume(queue)) == (queue in self.model.paused)
            self.model.paused.discard(queue)

    # upkeep

    @precondition(lambda self: self._ended())
    @rule(what=st.sampled_from((None, None, None, "default", "closed_letters", "dead_letters")))
    def forget(self, what: str | None) -> None:
        if what is None:
            return
        time.sleep(CLOCK_SECONDS)
        self.has_forgotten = True
        if what == "default":
            wanted = self.model.forget_ended()
        else:
            wanted = self.model.forget_letters(closed_only=what == "closed_letters")
        assert forget.forget(self.pool, what, 0, goes_on=lambda: True) == wanted

    @precondition(lambda self: self._ended())
    @rule(once_in_a_while=st.sampled_from((False, False, True)))
    def the_bucket_of_today_is_made_or_dropped(self, once_in_a_while: bool) -> None:
        if once_in_a_while and self.model.bucket is None:
            assert buckets._create(self.pool, self.today)
            held = buckets._held(self.today)
            self.model.bucket = buckets.floor_id(held[0]), buckets.floor_id(held[1])
        elif once_in_a_while:
            self.has_forgotten = True
            kept = self.model.drop_bucket()
            assert buckets.remove(self.pool, self.today) == kept
            self.seen["put back from a bucket"] += kept

    # how these ask

    def _enqueue(self, jobs: list[NewJob]) -> None:
        known = [
            Job(j.id, j.queue, j.priority, j.max_attempts, j.unique_key, expired=j.expires_in == SOON) for j in jobs
        ]
        wanted = self.model.enqueue([(job, j.delay or AT_ONCE) for job, j in zip(known, jobs, strict=True)])
        given = self.pool.together(lambda run: keys.enqueue(run, jobs))
        assert given == wanted
        self.seen["keys held"] += sum(job.id != job_id for job, job_id in zip(jobs, given, strict=True))
        self.asked.append(jobs)
        self.ids += [job_id for job_id in dict.fromkeys(given) if job_id not in self.ids]
        time.sleep(CLOCK_SECONDS)

    def _claim_within_limits(self, worker: str, names: list[str], most: int) -> None:
        left = min(most, IN_FLIGHT - self.model.in_flight(LIMITED), A_MINUTE - self.model.charged[LIMITED])
        wanted = self.model.claim(LIMITED, worker, names[0], names[1:], left, suspects=True) if left else []
        self.model.charged[LIMITED] += len(wanted)
        limits = limited.Limits(LIMITED, worker, IN_FLIGHT, A_MINUTE)
        brought = self.pool.together(
            lambda run: limited.claim(run, limits, most, lambda n: claiming(LIMITED, worker, names, n, suspects=True))
        )
        assert brought.allowed == left
        self.seen["held back by a limit"] += left < most
        self._took(brought.jobs, wanted)

    def _waiting(self) -> list[str]:
        ready = {job.queue for job in self.model.jobs.values() if job.place == "ready"}
        return sorted(ready)

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

    def _cancel(self, ids: list[str]) -> None:
        changes = self.pool.together(lambda run: act.cancel_many(run, ids, by="ann"))
        self._became("cancel", changes, self.model.cancel(ids))

    def _retry(self, ids: list[str]) -> None:
        changes = self.pool.together(lambda run: act.retry_many(run, ids))
        self._became("retry", changes, self.model.retry(ids))

    def _became(self, wish: str, changes: Sequence[Change], wanted: dict[str, str]) -> None:
        assert {change.job_id: change.result for change in changes} == wanted
        self.seen.update(f"{wish}: {result}" for result in wanted.values())

    def _finish(self, hands: list[Claimed], told: list[tuple[int, str, float]], *, over: bool) -> None:
        outcomes = {}
        for place, way, delay in told:
            hand = hands[place % len(hands)]
            outcomes.setdefault((hand.job_id, hand.attempt), outcome(hand, way, delay))
        ends = [
            End(o.job.lease_id, *run, str(o.kind), o.spent, o.delay, o.error_code, o.reason_code, o.suspect)
            for run, o in outcomes.items()
        ]
        complete = [name for name in dict.fromkeys(e.lease for e in ends) if self._accounted(name, outcomes.keys())]
        wanted = self.model.finish(ends, complete if over else [])
        assert flushed(self.pool, list(outcomes.values()), complete if over else []) == wanted
        self.seen["dropped"] += len(wanted)
        time.sleep(CLOCK_SECONDS)

    def _accounted(self, name: str, ended: Any) -> bool:
        lease = self.model.leases.get(name)
        return lease is not None and all(
            (job_id, attempt) in ended or not self.model._runs_now(job_id, attempt)
            for job_id, attempt, _ in lease.members
        )
