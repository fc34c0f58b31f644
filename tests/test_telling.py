"""What pages and commands both tell: alarms with the command to act, what grew, and what to do next about a job."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgflow.telling import traces
from pgflow.telling.alarms import COMMANDS, GROWTH_SECONDS, Alarm, Growth, command
from pgflow.telling.steps import commands, next_steps
from pgflow.telling.words import spoken

JOB = "01a21797-e5d4-7b96-ba4b-c8826fdaa1ea"


def queue(depth: int) -> Any:
    return SimpleNamespace(name="mail", depth=depth)


@pytest.mark.parametrize("code", COMMANDS)
def test_an_alarm_has_a_command_without_a_gap(code: str) -> None:
    found = command(Alarm(code, "warning", "", "", "", queue="mail", worker_id="w-1"))
    assert found is not None
    assert found.startswith("pgflow ")
    assert "None" not in found
    assert "{" not in found


def test_an_alarm_that_no_command_mends_has_its_remedy_alone() -> None:
    assert command(Alarm("WORKER_SLOTS", "warning", "", "", "give it a time limit")) is None


def test_a_queue_is_compared_with_what_it_was_up_to_a_minute_ago() -> None:
    growth = Growth()
    assert growth.since(0.0, [queue(1)]) == {"mail": 1}
    assert growth.since(GROWTH_SECONDS, [queue(5)]) == {"mail": 1}
    assert growth.since(GROWTH_SECONDS + 1, [queue(7)]) == {"mail": 5}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", ["cancel"]),
        ("running", ["cancel"]),
        ("scheduled", ["retry", "cancel"]),
        ("retrying", ["retry", "cancel"]),
        ("succeeded", ["replay"]),
        ("dead", ["replay", "retry"]),
        ("cancelled", ["replay"]),
        ("expired", ["replay"]),
    ],
)
def test_the_next_steps_are_those_a_state_allows(state: str, words: list[str]) -> None:
    job = SimpleNamespace(id=JOB, state=state)
    assert [step for step, _ in next_steps(job)] == [f"pgflow {word} {JOB}" for word in words]
    assert commands(job)[:2] == [f"pgflow job {JOB}", f"pgflow explain {JOB}"]


def test_an_explanation_is_cut_where_its_code_begins() -> None:
    told = f"Job {JOB} (shop.send) is dead since 2026-11-26 11:12:21+00:00: run `pgflow retry`."
    assert spoken(told, JOB, "shop.send") == [
        ("This job is dead since 2026-11-26 11:12:21 UTC: run ", False),
        ("pgflow retry", True),
        (".", False),
    ]


def test_of_a_huge_traceback_the_head_and_the_line_that_failed_are_left() -> None:
    frames = [f'  File "/srv/shop/step_{n}.py", line {n}, in step\n    step({n})\n' for n in range(5_000)]
    text = "Traceback (most recent call last):\n" + "".join(frames) + "ValueError: no\n"
    found = traces.parts(text)
    shown = "\n".join(line for part in found for line in part.lines)
    assert "characters left out" in shown
    assert shown.startswith("Traceback")
    assert shown.endswith("ValueError: no")
    failed = traces.failing(text)
    assert failed is not None
    assert failed.file == "/srv/shop/step_4999.py"
    assert sum(len(part.frames) for part in found) < 1_500
