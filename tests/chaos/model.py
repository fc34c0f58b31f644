"""What the store should hold, worked out in memory from its rules; it never asks a database."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from chaos.model_values import AT_ONCE, FINAL, LATE, SOON, End, Hand, Job, Lease, Letter, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOBODY: Final = "-"
REAPED_AT_ONCE: Final = 16


class Model:
    """All tables as they should be. Each method is one transaction and gives what it should answer."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.leases: dict[str, Lease] = {}
        self.letters: dict[str, Letter] = {}
        self.keys: dict[str, str] = {}
        self.wishes: set[str] = set()
        self.paused: set[str] = set()
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.charged: Counter[str] = Counter()
        self.bucket: tuple[str, str] | None = None
        self.now = 0.0

    # the way of a job

    def enqueue(self, asked: Sequence[tuple[Job, float]]) -> list[str]:
        """Store jobs, each after a delay; gives the id of each, or that of the job which holds its key."""
        self.now += 1
        asked_again = {job.key: job.id for job, _ in asked if job.key is not None and job.id in self.jobs}
        given = []
        for job, delay in asked:
            if job.id in self.jobs:
                given.append(job.id)
                continue
            holder = job.id
            if job.key is not None:
                holder = asked_again.get(job.key) or self.keys.setdefault(job.key, job.id)
            given.append(holder)
            if holder == job.id:
                self.jobs[job.id] = job
                self._put(job, 1, 0, delay, suspect=False, alone=job.max_attempts == 1)
        return given

    def claim(
        self, queue: str, worker: str, lease: str, lone: Sequence[str], most: int, *, suspects: bool
    ) -> list[Hand]:
        """Take the head of a queue."""
        self.now += 1
        seen = sorted(
            (j for j in self.jobs.values() if j.place == "ready" and j.queue == queue and (suspects or not j.suspect)),
            key=lambda job: job.order,
        )
        free = {True: list(lone[:1]), False: list(lone[1:])}
        taken = []
        for job in [] if queue in self.paused else seen[:most]:
            room = free[job.suspect] if job.alone else [lease]
            if room:
                taken.append(self._lease(job, room[0], worker))
                if job.alone:
                    room.pop(0)
        return taken

    def in_flight(self, queue: str) -> int:
        """How many jobs of a queue are in anyone's hands."""
        return sum(job.place == "leased" and job.queue == queue for job in self.jobs.values())

    def still_held(self, worker: str, leases: Iterable[str]) -> set[tuple[str, str, int]]:
        """What leases of a worker hold that nothing has ended."""
        mine = [(lease, self.leases[lease]) for lease in leases if lease in self.leases]
        return {
            (lease, job_id, attempt)
            for lease, held in mine
            for job_id, attempt, _ in held.members
            if held.worker == worker and self._runs_now(job_id, attempt)
        }

    def finish(self, ends: Sequence[End], over: Iterable[str]) -> set[tuple[str, int]]:
        """Acknowledge; gives what is dropped, another hand having ended it. What stands as it is told is not."""
        self.now += 1
        standing = dict(self.leases)
        late = []
        for end in ends:
            lease = standing.get(end.lease)
            if lease is None or not self._runs_now(end.job_id, end.attempt):
                late.append(end)
            else:
                self._end(end, lease.worker)
        for name in over:
            self.leases.pop(name, None)
        return {(end.job_id, end.attempt) for end in late if not self._is_told(end)}

    def _is_told(self, end: End) -> bool:
        job = self.jobs.get(end.job_id)
        runs = job.runs if job is not None else []
        run = runs[end.attempt - 1] if len(runs) >= end.attempt else None
        return run is not None and run.outcome == end.kind and run.code != "LEASE_EXPIRED"

    def reap(self) -> set[tuple[str, int, str]]:
        """Take back what lapsed."""
        self.now += 1
        told = set()
        for name in sorted(name for name, lease in self.leases.items() if lease.lapsed)[:REAPED_AT_ONCE]:
            lease = self.leases.pop(name)
            for job_id, attempt, spent in lease.members:
                if self._runs_now(job_id, attempt):
                    told.add((job_id, attempt, self._lose(lease, job_id, spent + lease.alone)))
        return told

    def promote(self) -> int:
        """Move what is due."""
        due = [job for job in self.jobs.values() if job.place == "scheduled" and job.due]
        for job in due:
            job.place = "ready"
        return len(due)

    def extend(self, worker: str, leases: Iterable[str]) -> None:
        """Hold on to leases."""
        for name in leases:
            if name in self.leases and self.leases[name].worker == worker:
                self.leases[name].lapsed = False

    def standing(self, worker: str, leases: Iterable[str]) -> dict[str, set[str]]:
        """Which leases stand, and whose end is wished for in each."""
        return {
            name: {job_id for job_id, _, _ in self.leases[name].members} & self.wishes
            for name in leases
            if name in self.leases and self.leases[name].worker == worker
        }

    def time_passes(self) -> None:
        """Let all that is scheduled be due from now on."""
        self.now += 1
        for job in self.jobs.values():
            if job.place == "scheduled":
                job.since, job.due = self.now, True

    # what people do

    def cancel(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Cancel jobs."""
        return {job_id: self._cancel(self.jobs.get(job_id)) for job_id in dict.fromkeys(job_ids)}

    def retry(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Run jobs now; of dead ones that share a key, the oldest."""
        self.now += 1
        asked = list(dict.fromkeys(job_ids))
        done = {job_id: self._retry(self.jobs.get(job_id)) for job_id in sorted(asked)}
        return {job_id: done[job_id] for job_id in asked}

    def replay(self, old: str, new: str) -> None:
        """Store a replay of an ended job."""
        self._replay(self.jobs[old], new)
        if old in self.letters:
            self.letters[old].replayed_as = new

    def replay_many(self, asked: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Store replays of open dead letters; gives those that were."""
        won = {old: new for old, new in asked if old in self.letters and self.letters[old].is_open}
        self.now += 1
        for old, new in won.items():
            self._replay(self.jobs[old], new, tick=0.0)
            self.letters[old].replayed_as = new
        return won

    def discard(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Close dead letters."""
        said = {}
        for job_id in dict.fromkeys(job_ids):
            letter = self.letters.get(job_id)
            done = letter is not None and not letter.discarded
            if letter is not None:
                letter.discarded = True
            said[job_id] = "discarded" if done else "refused" if job_id in self.jobs else "missing"
        return said

    # upkeep

    def drop_bucket(self) -> int:
        """Throw away what has ended, save what a lease or an open dead letter names; gives how many jobs are kept."""
        inside = [job for job in self.jobs.values() if self._in_bucket(job)]
        self.bucket = None
        opened = {job_id for job_id, letter in self.letters.items() if letter.is_open}
        return len(inside) - self._forget(inside, opened)

    def forget_ended(self) -> int:
        """Delete ended jobs that are in no bucket, save those that a lease or a dead letter names."""
        return self._forget([job for job in self.jobs.values() if not self._in_bucket(job)], set(self.letters))

    def forget_letters(self, *, closed_only: bool) -> int:
        """Delete dead letters."""
        gone = [job_id for job_id, letter in self.letters.items() if not (closed_only and letter.is_open)]
        for job_id in gone:
            del self.letters[job_id]
        return len(gone)

    # the steps these are made of

    def _in_bucket(self, job: Job) -> bool:
        return self.bucket is not None and self.bucket[0] <= job.id < self.bucket[1]

    def _forget(self, jobs: Iterable[Job], kept: set[str]) -> int:
        held = {job_id for lease in self.leases.values() for job_id, _, _ in lease.members}
        gone = [job.id for job in jobs if job.place in FINAL and job.id not in held | kept]
        for job_id in gone:
            del self.jobs[job_id]
        return len(gone)

    def _put(self, job: Job, attempt: int, spent: int, delay: float, **marks: Any) -> None:
        job.place = "ready" if delay == AT_ONCE else "scheduled"
        job.attempt, job.spent, job.due = attempt, spent, delay == SOON
        job.suspect, job.alone = marks["suspect"], marks["alone"]
        job.since = self.now + (0.5 if delay == SOON else 0.0)

    def _lease(self, job: Job, name: str, worker: str) -> Hand:
        lease = self.leases.setdefault(name, Lease(worker, job.queue, job.suspect, job.alone, []))
        lease.members.append((job.id, job.attempt, job.spent))
        job.place = "leased"
        return Hand(job.id, job.attempt, job.spent, job.suspect, name, job.expired, job.id in self.wishes)

    def _runs_now(self, job_id: str, attempt: int) -> bool:
        job = self.jobs.get(job_id)
        return job is not None and len(job.runs) < attempt

    def _record(self, job: Job, outcome: str, code: str | None, spent: int, worker: str | None) -> None:
        job.runs.append(Run(outcome, code, spent, worker))
        self.counts[job.queue, outcome, worker or NOBODY] += 1
        self.wishes.discard(job.id)
        if outcome in FINAL:
            job.place, job.spent = outcome, spent
            if job.key is not None and self.keys.get(job.key) == job.id:
                del self.keys[job.key]

    def _end(self, end: End, worker: str) -> None:
        job = self.jobs[end.job_id]
        stopped = end.delay is not None and job.id in self.wishes
        kind, code = ("cancelled", "CANCELLED") if stopped else (end.kind, end.code)
        self._record(job, kind, code, end.spent, worker)
        if kind == "dead":
            self.letters[job.id] = Letter(end.attempt, str(end.reason))
        elif end.delay is not None and not stopped:
            alone = end.suspect or job.max_attempts == 1
            self._put(job, end.attempt + 1, end.spent, end.delay, suspect=end.suspect, alone=alone)

    def _lose(self, lease: Lease, job_id: str, spent: int) -> str:
        job = self.jobs[job_id]
        guilty = lease.alone and spent >= job.max_attempts
        outcome = "cancelled" if job_id in self.wishes else "dead" if guilty else "lost"
        code = "CANCELLED" if outcome == "cancelled" else "LEASE_EXPIRED"
        self._record(job, outcome, code, spent, lease.worker)
        if outcome == "dead":
            self.letters[job_id] = Letter(job.attempt, "WORKER_CRASHED")
        elif outcome == "lost":
            self._put(job, job.attempt + 1, spent, LATE, suspect=True, alone=True)
        return outcome

    def _cancel(self, job: Job | None) -> str:
        if job is None or job.place in FINAL:
            return "missing" if job is None else "refused"
        if job.place == "leased":
            self.wishes.add(job.id)
            return "asked"
        self._record(job, "cancelled", "CANCELLED", job.spent, None)
        return "cancelled"

    def _retry(self, job: Job | None) -> str:
        if job is None:
            return "missing"
        if job.place == "scheduled":
            marks = {"suspect": job.suspect, "alone": job.alone}
            self._record(job, "released", "RUN_NOW", job.spent, None)
            self._put(job, job.attempt + 1, job.spent, AT_ONCE, **marks)
            return "retried"
        letter = self.letters.get(job.id)
        if job.place != "dead" or letter is None or (job.key is not None and job.key in self.keys):
            return "refused"
        if job.key is not None:
            self.keys[job.key] = job.id
        del self.letters[job.id]
        suspect = letter.reason == "WORKER_CRASHED"
        self._record(job, "released", "RUN_NOW", job.max_attempts - 1, None)
        again = letter.attempt + 2
        self._put(job, again, job.max_attempts - 1, AT_ONCE, suspect=suspect, alone=suspect or job.max_attempts == 1)
        return "retried"

    def _replay(self, old: Job, new: str, *, tick: float = 1.0) -> None:
        self.now += tick
        job = Job(new, old.queue, old.priority, old.max_attempts, origin=old.id, root=old.root or old.id)
        self.jobs[new] = job
        self._put(job, 1, 0, AT_ONCE, suspect=False, alone=job.max_attempts == 1)
