"""When slots are: over changes of the clock, late, coalesced, put off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgflow import ArgumentError
from pgflow.plugins.cron.planning import plan, put_off, slot_key, upcoming
from pgflow.plugins.cron.rows import ScheduleRow
from pgflow.plugins.cron.spec import Schedule, cron, every, schedules_of
from pgflow.plugins.cron.timing import CronTiming, EveryTiming, check_cron, zone_of

PARIS = ZoneInfo("Europe/Paris")
SPRING = datetime(2026, 3, 29, 0, 50, tzinfo=UTC)  # 01:50 in Paris; the clock skips 02:00 to 03:00
AUTUMN = datetime(2026, 10, 24, 23, 50, tzinfo=UTC)  # 01:50 in Paris; the clock shows 02:00 to 03:00 twice
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def in_paris(expression: str, moment: datetime, count: int) -> list[str]:
    slots = islice(CronTiming(expression, PARIS).after(moment), count)
    return [slot.astimezone(PARIS).strftime("%d %H:%M:%S %z") for slot in slots]


def row(**fields: object) -> ScheduleRow:
    given = {
        "name": "x", "kind": "dynamic", "task": "t", "queue": None, "args": [], "kwargs": {}, "cron": "* * * * *",
        "seconds": None, "tz": "UTC", "jitter": 0, "misfire_grace": 600.0, "coalesce": True, "paused": False,
        "paused_reason": None, "paused_at": None, "anchor_at": NOON, "next_at": NOON, "last_at": None,
        "last_job_id": None, "last_error": None, "fired": 0, "missed": 0, "coalesced": 0, "refused": 0,
        "created_at": NOON, "updated_at": NOON,
    }  # fmt: skip
    return ScheduleRow(**{**given, **fields})


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
def test_a_time_the_clock_skips_is_when_the_skipped_hour_ends(expression: str) -> None:
    assert in_paris(expression, SPRING, 2) == ["29 03:00:00 +0200", "30 02:30:00 +0200"]


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
def test_a_time_the_clock_shows_twice_fires_once_at_the_first(expression: str) -> None:
    assert in_paris(expression, AUTUMN, 2) == ["25 02:30:00 +0200", "26 02:30:00 +0100"]
    second_turn = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert in_paris(expression, second_turn, 1) == ["26 02:30:00 +0100"]


def test_several_skipped_times_are_one() -> None:
    assert in_paris("0,30 2 * * *", SPRING, 2) == ["29 03:00:00 +0200", "30 02:00:00 +0200"]


@pytest.mark.parametrize("start", [SPRING, AUTUMN])
def test_every_five_minutes_is_five_minutes_over_both_changes(start: datetime) -> None:
    slots = list(islice(CronTiming("*/5 * * * *", PARIS).after(start), 40))
    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(minutes=5)}


def test_hourly_comes_in_both_turns_of_a_doubled_hour() -> None:
    assert in_paris("@hourly", AUTUMN, 3) == ["25 02:00:00 +0200", "25 02:00:00 +0100", "25 03:00:00 +0100"]


@pytest.mark.parametrize(("start", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_daily_is_midnight_on_the_wall(start: datetime, hours: int) -> None:
    day = start.astimezone(PARIS).replace(hour=0, minute=0)
    slots = list(islice(CronTiming("@daily", PARIS).after(day - timedelta(minutes=1)), 2))
    assert [slot.astimezone(PARIS).hour for slot in slots] == [0, 0]
    assert slots[1] - slots[0] == timedelta(hours=hours)


def test_a_period_counts_in_absolute_time_from_its_anchor() -> None:
    slots = list(islice(EveryTiming(3_600, SPRING).after(SPRING), 3))
    assert slots == [SPRING + timedelta(hours=n) for n in (1, 2, 3)]


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 * * SUN#1", "*/10 30 2 * * *", "@hourly"]),
    st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    st.integers(-600 * 86_400, 600 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds)),
)
def test_slots_only_go_forward_and_may_be_asked_for_again(expression: str, zone: str, start: datetime) -> None:
    timing = CronTiming(expression, zone_of(zone))
    slots = list(islice(timing.after(start), 6))
    assert all(earlier < later for earlier, later in pairwise([start, *slots]))
    assert list(islice(timing.after(slots[2]), 3)) == slots[3:]


def test_of_several_late_slots_only_the_last_is_fired() -> None:
    found = plan(row(), NOON + timedelta(minutes=4, seconds=30))
    assert found.fire == (NOON + timedelta(minutes=4),)
    assert (found.missed, found.coalesced, found.next_at) == (0, 4, NOON + timedelta(minutes=5))


def test_without_coalescing_every_late_slot_is_fired() -> None:
    found = plan(row(coalesce=False), NOON + timedelta(minutes=4, seconds=30))
    assert found.fire == tuple(NOON + timedelta(minutes=n) for n in range(5))
    assert (found.missed, found.coalesced) == (0, 0)


def test_a_slot_older_than_the_grace_is_missed() -> None:
    found = plan(row(misfire_grace=60.0), NOON + timedelta(minutes=4, seconds=30))
    assert found.fire == (NOON + timedelta(minutes=4),)
    assert (found.missed, found.coalesced) == (4, 0)
    late = plan(row(cron="0 12 * * *", misfire_grace=60.0), NOON + timedelta(minutes=4))
    assert (late.fire, late.missed, late.next_at) == ((), 1, NOON + timedelta(days=1))


@pytest.mark.parametrize("when", [{"cron": "* * * * *"}, {"cron": None, "seconds": 60.0}])
@pytest.mark.parametrize("coalesce", [True, False])
def test_a_year_asleep_is_planned_in_parts_that_lose_no_slot(when: dict[str, object], coalesce: bool) -> None:
    now, at = NOON + timedelta(days=30, seconds=1), row(**when, coalesce=coalesce, misfire_grace=4 * 3_600.0)
    fired, missed, coalesced = [], 0, 0
    while at.next_at <= now:
        found = plan(at, now)
        fired += found.fire
        missed, coalesced, at = missed + found.missed, coalesced + found.coalesced, replace(at, next_at=found.next_at)
    slots = 30 * 24 * 60 + 1
    assert len(fired) + missed + coalesced == slots
    assert missed == slots - 240
    assert fired == (
        [NOON + timedelta(days=30)] if coalesce else [NOON + timedelta(days=30, minutes=-n) for n in range(239, -1, -1)]
    )


def test_jitter_is_the_same_for_whoever_computes_it_and_within_its_bounds() -> None:
    slots = [NOON + timedelta(minutes=n) for n in range(200)]
    offs = [(put_off("x", slot, 30) - slot).total_seconds() for slot in slots]
    assert offs == [(put_off("x", slot, 30) - slot).total_seconds() for slot in slots]
    assert 0 <= min(offs) < 5
    assert 25 < max(offs) < 30
    assert put_off("x", NOON, 0) == NOON
    assert put_off("y", NOON, 30) != put_off("x", NOON, 30)


def test_the_next_five_slots_begin_with_the_one_waited_for() -> None:
    assert upcoming(row(), NOON - timedelta(seconds=1)) == [NOON + timedelta(minutes=n) for n in range(5)]
    assert upcoming(row(paused=True), NOON)[0] == NOON + timedelta(minutes=1)


def test_a_slot_has_one_name() -> None:
    assert slot_key("task:x", NOON) == "task:x@2026-06-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("61 * * * *", "bad minute"), ("* * * *", "it has 4 fields"), ("@dayly", "no such word"),
        ("0 0 30 2 *", "bad day-of-month"), ("0 0 * * FRI-MON", "bad day-of-week"), ("*/0 * * * *", "bad minute"),
        ("", "it has 0 fields"), (5, "it is no text"), ("0," * 200 + "0 * * * *", "longer than 200"),
    ],
)  # fmt: skip
def test_an_expression_that_is_none_is_refused_with_the_remedy(expression: object, why: str) -> None:
    with pytest.raises(ArgumentError, match=f"(?s){why}.*use five fields"):
        check_cron(expression, PARIS)


@given(st.text("0123456789*,-/#LW ", min_size=1, max_size=30))
def test_whatever_is_said_is_read_or_refused(expression: str) -> None:
    try:
        check_cron(expression, PARIS)
    except ArgumentError:
        return
    assert next(CronTiming(expression, PARIS).after(NOON)) > NOON


@pytest.mark.parametrize("zone", ["Europe/Pariss", "Europe", "../etc/passwd", "", "Mars/Base", None])
def test_a_zone_that_is_none_is_refused(zone: object) -> None:
    with pytest.raises(ArgumentError, match="is no time zone"):
        zone_of(zone)


def test_a_zone_nearly_right_is_guessed() -> None:
    with pytest.raises(ArgumentError, match="did you mean Europe/Paris"):
        zone_of("Europe/Pariss")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (every(seconds=0), "seconds 0 must be"), (every(seconds=-5), "seconds -5 must be"),
        (every("soon"), "seconds 'soon' must be"), (every(seconds=float("nan")), "seconds nan"),
        (cron("@daily", jitter=-1), "jitter -1 must be"), (cron("@daily", misfire_grace=-60), "misfire_grace -60"),
        (cron("@daily", misfire_grace=0), "from 5 to"), (cron("@daily", coalesce=1), "coalesce 1 must be True"),
        (cron("@daily", args="abc"), "args 'abc' must be"), (cron("@daily", kwargs={1: 2}), "kwargs {1: 2} must be"),
        (cron("@daily", args=(object(),)), "args[0]"), (cron("@daily", name="a b"), "name 'a b'"),
        (cron("@daily", tz="Paris"), "tz 'Paris' is no time zone"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named(schedule: Schedule, said: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        schedules_of(schedule)
    assert said in str(caught.value)
    assert repr(schedule) in str(caught.value)


def test_periods_are_said_in_any_unit() -> None:
    assert every(30) == every(seconds=30) == every(timedelta(seconds=30)) == every(minutes=0.5)
    assert every(hours=1, minutes=30).seconds == 5_400
    assert cron("@daily", jitter=timedelta(minutes=1)).jitter == 60
