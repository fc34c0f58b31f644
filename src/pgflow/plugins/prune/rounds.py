"""One round of pruning: what is due, and the same rehearsed without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from pgflow.admin import buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from pgflow.admin import Bucket, Maintenance
    from pgflow.plugins.prune.settings import PruneSettings

DAY_SECONDS: Final = 86_400.0
RATES_SECONDS: Final = 120.0  # limits look back one minute
PUT_BACK_AT_MOST: Final = 20_000  # 0.3 s, in which nobody claims or enqueues
ORPHANS_SECONDS: Final = 3_600.0  # a wish to cancel may cross with the end of its job


class BucketStep(NamedTuple):
    """What is to be done with one bucket, in use or archived."""

    name: str
    action: Literal["archive", "drop"]
    in_use: bool


@dataclass(frozen=True, slots=True)
class Ages:
    """From which age on things go, in days."""

    archive: float
    drop: float
    letters: float
    stats: float
    decisions: float
    workers: float

    @classmethod
    def of(cls, settings: Any, own: PruneSettings) -> Self:
        """Take them from the app's settings and the plugin's own."""
        return cls(
            settings.archive_succeeded_after_days,
            settings.prune_history_after_days,
            settings.dead_letter_days,
            own.stats_days,
            own.decisions_days,
            own.workers_days,
        )

    @property
    def records(self) -> dict[str, float]:
        """After how many seconds each kind of record goes, in the order in which they do.

        A closed dead letter stays a day longer than history, so that it goes behind its job's bucket; a job
        that is kept in the default partition goes when its letter has.
        """
        history = max(self.archive, self.drop) * DAY_SECONDS
        return {
            "cancellations": ORPHANS_SECONDS,
            "rates": RATES_SECONDS,
            "keys": 0.0,
            "workers": self.workers * DAY_SECONDS,
            "stats": self.stats * DAY_SECONDS,
            "decisions": self.decisions * DAY_SECONDS,
            "dead_letters": self.letters * DAY_SECONDS,
            "closed_letters": history + DAY_SECONDS,
            "default": history,
        }

    def buckets(self, now: datetime, in_use: Iterable[Bucket], archived: Iterable[str]) -> list[BucketStep]:
        """Say what becomes of buckets whose time is over, the oldest first; the default partition has none."""
        to_archive, to_drop = now - timedelta(days=self.archive), now - timedelta(days=self.drop)
        archives = [(name, held[1]) for name in archived if (held := buckets.span(name))]
        over = [(b.name, b.ends_at) for b in in_use if b.ends_at is not None and b.ends_at <= to_archive]
        return [
            *(BucketStep(name, "drop", in_use=False) for name, ends_at in archives if ends_at <= to_drop),
            *(BucketStep(name, "drop" if ends_at <= to_drop else "archive", in_use=True) for name, ends_at in over),
        ]


@dataclass(slots=True)
class Report:
    """What a round did, or would do."""

    archived: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    put_back: int = 0
    busy: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    forgotten: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """True where anything went."""
        return bool(self.archived or self.dropped or any(self.forgotten.values()))

    def __str__(self) -> str:
        """Say it in a line."""
        parts = [f"{count} {kind}" for kind, count in self.forgotten.items() if count]
        parts += [f"bucket {name} archived" for name in self.archived]
        parts += [f"bucket {name} dropped" for name in self.dropped]
        parts += [f"{self.put_back} jobs put back"] if self.put_back else []
        return ", ".join(parts) or "nothing"


def tidy(run: Maintenance, ages: Ages) -> Report:
    """Forget what is old, then take old buckets out, one at a time; ends early where the turn is lost.

    Where a bucket in use is busy, the others are left for the next round too: they need the same locks, and each
    wait for those holds claims up. One with more than 20,000 jobs that have yet to end, or open dead letters, stays
    until it has fewer.
    """
    report = Report()
    for kind, seconds in ages.records.items():
        report.forgotten[kind] = run.forget(kind, seconds)
        if not run.goes_on():
            return report
    for step in _steps(run, ages, report):
        put_back = run.archive_bucket(step.name) if step.action == "archive" else run.drop_bucket(step.name)
        if put_back is None:
            report.busy.append(step.name)
        else:
            report.put_back += put_back
            _note(report, step)
        if not run.goes_on() or (put_back is None and step.in_use):
            return report
    return report


def rehearse(run: Maintenance, ages: Ages) -> Report:
    """Say what `tidy` would do now, up to 100,000 rows of each kind, and change nothing."""
    report = Report(forgotten={kind: run.due(kind, seconds) for kind, seconds in ages.records.items()})
    for step in _steps(run, ages, report):
        _note(report, step)
    return report


def _steps(run: Maintenance, ages: Ages, report: Report) -> Iterator[BucketStep]:
    for step in ages.buckets(run.now(), run.buckets(), run.archived()):
        if step.in_use and run.db.run(buckets.needed(step.name, PUT_BACK_AT_MOST + 1)) > PUT_BACK_AT_MOST:
            report.needed.append(step.name)
        else:
            yield step


def _note(report: Report, step: BucketStep) -> None:
    (report.archived if step.action == "archive" else report.dropped).append(step.name)
