"""Which cases there are, and which of them the suite runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaos.crash_acts import Act
    from pgflow.store.points import Point

FAULTS: Final = ("raise", "kill", "cut", "unknown", "stall")
HOT: Final = frozenset(
    {"enqueue_one", "enqueue", "bulk/jobs", "keys/enqueue", "joined/enqueue"}
    | {"claim", "finish", "succeed", "extend_leases", "reap", "promote"}
)


class Case(NamedTuple):
    """A fault at an edge, the first time an act reaches it."""

    act: str
    name: str
    moment: str
    fault: str

    def __str__(self) -> str:
        """Name it."""
        return f"{self.fault} at {self.name}, {self.moment}, in {self.act}"


def plan(recorded: Iterable[tuple[Act, list[Point]]]) -> list[Case]:
    """Make every case: each edge in the first act that reaches it, those of an act's own names there too."""
    found = list(recorded)
    kept = {name: act.name for act, _ in found for name in act.keeps}
    taken: set[Point] = set()
    cases = []
    for act, reached in found:
        for point in reached:
            if kept.get(point.name, act.name) == act.name and (point not in taken or point.name in act.own):
                taken.add(point)
                cases += [Case(act.name, *point, fault) for fault in FAULTS]
    return cases


def sliced(cases: Iterable[Case]) -> list[Case]:
    """Choose what the suite runs: on the hot path every edge and fault, elsewhere one of a statement in turn.

    Of the stalls, which take the longest, also there only one of a statement.
    """
    of_name: dict[str, list[Case]] = {}
    for case in {case[1:]: case for case in reversed(list(cases))}.values():
        of_name.setdefault(case.name, []).append(case)
    chosen = []
    for nth, (name, mine) in enumerate(sorted(of_name.items())):
        moments = sorted({case.moment for case in mine})
        turn = moments[nth % len(moments)], FAULTS[nth % len(FAULTS)]
        every = name in HOT
        chosen += [
            case
            for case in mine
            if (case.moment, case.fault) == turn or (every and (case.fault != "stall" or case.moment == turn[0]))
        ]
    return chosen


def share(cases: Sequence[Case], nth: int, of: int) -> list[Case]:
    """Give one of so many shares, each with as many stalls as the others."""
    stalls = [case for case in cases if case.fault == "stall"]
    return stalls[nth::of] + [case for case in cases if case.fault != "stall"][nth::of]
