"""Breaks pgflow at every edge of its statements and sees that it is made whole: `python -m chaos.crash_points`.

Each case plays one act of a life in a process of its own, on a database of its own. At one edge a fault strikes; then
a healthy worker ends what is left, and the invariants are checked.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pgflow
from chaos.checker import check, explained
from chaos.crash_acts import ALL, Act
from chaos.crash_child import Child, stage
from chaos.crash_mending import mend
from chaos.crash_plan import FAULTS, Case, plan, share, sliced
from chaos.crash_scene import Struck
from chaos.ledger import read
from pgflow import App
from pgflow.store import databases, points
from pgflow.store.embedded import acquire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pgflow.store.points import Point

STALL_SECONDS: Final = 5.0
CASE_SECONDS: Final = 60.0
REAP_SECONDS: Final = 0.1
TRIES: Final = 3
TOLD_EACH: Final = 100
NOT_REACHED: Final = "the edge was not reached"
RECORDED_AT_ONCE: Final = 6
BY_NAME: Final = {act.name: act for act in ALL}


class Result(NamedTuple):
    """What became of a case; nothing is wrong where `problem` is empty."""

    case: Case
    problem: str
    seconds: float


class Strike:
    """A watcher that strikes once, and writes to a pipe that it did."""

    def __init__(self, case: Case, told: int) -> None:
        self._at = (case.name, case.moment)
        self._fault = case.fault
        self._told = told
        self._is_done = False

    def __call__(self, point: Point, conn: Any) -> None:
        """Strike where this is the edge."""
        if self._is_done or point != self._at:
            return
        self._is_done = True
        os.write(self._told, b"!")
        if self._fault == "raise":
            msg = f"{point.name}, {point.moment}"
            raise Struck(msg)
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._fault == "stall":
            time.sleep(STALL_SECONDS)
        else:
            # without the way back only: what is sent next is still done, a commit too, and its answer is lost
            _shut_down(conn, socket.SHUT_RDWR if self._fault == "cut" else socket.SHUT_RD)


def _shut_down(conn: Any, how: int) -> None:
    with socket.socket(fileno=os.dup(conn.fileno())) as wire:
        wire.shutdown(how)


def record(server: str, template: str) -> list[tuple[Act, list[Point]]]:
    """Play the acts undisturbed; gives the edges that each reached, once, in order."""
    left, going, found = list(ALL), {}, {}
    while left or going:
        while left and len(going) < RECORDED_AT_ONCE:
            act = left.pop(0)
            going[act.name] = Child(partial(_record, act, server, template))
        name, child = next(iter(going.items()))
        text = child.read(CASE_SECONDS)
        del going[name]
        if child.wait() != 0:
            msg = f"the act {name} fails by itself: {text}"
            raise RuntimeError(msg)
        found[name] = [points.Point(*point) for point in json.loads(text)]
    return [(act, found[act.name]) for act in ALL]


def recall(file: Path | None, look: Callable[[], list[tuple[Act, list[Point]]]]) -> list[tuple[Act, list[Point]]]:
    """Give the edges a file keeps; the first to ask finds them, and others wait for it."""
    if file is None:
        return look()
    with file.open("a+", encoding="utf-8") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        text = kept.read()
        if not text:
            found = look()
            kept.write(json.dumps([[act.name, reached] for act, reached in found]))
            return found
    return [(BY_NAME[name], [points.Point(*point) for point in reached]) for name, reached in json.loads(text)]


def _record(act: Act, server: str, template: str, told: int) -> None:
    seen: dict[Point, None] = {}
    with stage(server, databases.EMPTY if act.empty else template) as (url, ledger):
        points.watcher = lambda point, _conn: seen.setdefault(point)
        act.play(url, ledger)
        points.watcher = None
    os.write(told, json.dumps(list(seen)).encode())


def named_in_files() -> set[str]:
    """Name every statement in sql/, of the store and of the plugins; a benchmark's own keep nobody's jobs."""
    found = set()
    for folder in Path(pgflow.__path__[0]).rglob("sql"):
        if folder.parent.name == "bench":
            continue
        own = "" if folder.parent.name == "store" else f"{folder.parent.name}/"
        found |= {own + file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.sql")}
    return found


def judge(case: Case, server: str, template: str, *, mends: bool = True) -> str:
    """Play a case, mend and check; gives what is wrong. An edge that is reached by chance has three chances."""
    problem = ""
    for _ in range(TRIES):
        problem = _judge(case, server, template, mends=mends)
        if not problem.startswith(NOT_REACHED):
            break
    return problem


def _judge(case: Case, server: str, template: str, *, mends: bool) -> str:
    act = BY_NAME[case.act]
    with stage(server, databases.EMPTY if act.empty else template) as (url, ledger):

        def play(told: int) -> None:
            points.watcher = Strike(case, told)
            act.play(url, ledger)

        victim = Child(play)
        said = victim.read(CASE_SECONDS, 1)
        if said != "!":
            victim.wait()
            return said or f"{NOT_REACHED}; {[line['error'] for line in read(ledger) if 'error' in line]}"
        # a stalled one is still alive, and works on beside the healthy one
        if case.fault == "stall" and mends:
            _made_whole(act, url, ledger, lapse=False)
        said, status = victim.read(CASE_SECONDS), victim.wait()
        if status not in (0, -signal.SIGKILL if case.fault == "kill" else 0):
            return f"ended with {status}: {said}"
        if mends:
            _made_whole(act, url, ledger, lapse=True)
        if act.empty:
            return ""
        orders = "orders" if act.name == "joined" else None
        wrong = check(url, ledger, orders_table=orders, reap_seconds=REAP_SECONDS)
        return explained(wrong) if wrong else ""


def _made_whole(act: Act, url: str, ledger: Path, *, lapse: bool) -> None:
    if act.empty:
        act.play(url, ledger)  # what makes databases and schemas is simply done again
    else:
        mend(url, ledger, lapse=lapse)


def run(cases: Iterable[Case], server: str, template: str, *, at_once: int, stalled: int) -> Iterator[Result]:
    """Judge cases, so many at once; those that stall are waited for beside the others."""
    waiting = {True: [], False: []}
    for case in cases:
        waiting[case.fault == "stall"].append(case)
    room = {True: stalled, False: at_once}
    going: dict[int, tuple[Case, Child, float]] = {}
    while going or any(waiting.values()):
        for stalls, left in waiting.items():
            while left and sum((case.fault == "stall") == stalls for case, _, _ in going.values()) < room[stalls]:
                case = left.pop(0)
                child = Child(lambda told, case=case: _tell(told, judge(case, server, template)))
                going[child.pid] = case, child, time.monotonic()
        for pid, (case, child, began) in list(going.items()):
            if select.select([child.pipe], [], [], 0)[0]:
                said = child.read(CASE_SECONDS * 3)
                child.wait()
                del going[pid]
                yield Result(case, said.strip(), time.monotonic() - began)
        time.sleep(0.005)


def _tell(told: int, text: str) -> None:
    os.write(told, text.encode()[:30_000])


def main() -> int:
    """Run what is asked for, and tell it."""
    asked = _arguments().parse_args()
    with ExitStack() as stack:
        server = os.environ.get("PGFLOW_TEST_DATABASE_URL") or _own_server(stack)
        template = databases.template(server, App("scene").migrations)
        if asked.case:
            case = Case(*asked.case)
            return tell([Result(case, judge(case, server, template, mends=not asked.unmended), 0.0)])
        began = time.monotonic()
        recorded = recall(asked.edges, partial(record, server, template))
        if asked.list:
            say("\n".join(f"{act.name}: {name}, {moment}" for act, found in recorded for name, moment in found))
            return 0
        cases = sliced(plan(recorded)) if asked.slice else plan(recorded)
        cases = [c for c in cases if asked.only in f"{c.act} {c.name}" and asked.fault in (None, c.fault)]
        cases = share(cases, *asked.share)
        edges = len({case[1:3] for case in cases})
        say(f"{edges} edges, {len(cases)} cases; {time.monotonic() - began:.1f} s to find them")
        broken = tell(run(cases, server, template, at_once=asked.at_once, stalled=asked.stalled))
        say(f"{len(cases)} cases, {broken} broken, {time.monotonic() - began:.1f} s")
        return 1 if broken else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slice", action="store_true", help="what the suite runs, in about a minute")
    parser.add_argument("--only", default="", help="edges, or acts, whose name holds this")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--case", nargs=4, metavar=("ACT", "NAME", "MOMENT", "FAULT"), help="one case alone")
    parser.add_argument("--unmended", action="store_true", help="with --case: check without mending, which must fail")
    parser.add_argument("--at-once", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--stalled", type=int, default=8, help="cases that stall at once")
    parser.add_argument("--share", nargs=2, type=int, default=(0, 1), metavar=("NTH", "OF"), help="every OF-th case")
    parser.add_argument("--edges", type=Path, help="a file that keeps the edges found, for whoever asks next")
    parser.add_argument("--list", action="store_true", help="name the edges, and run nothing")
    return parser


def say(text: str) -> None:
    """Say something to whoever ran the command."""
    print(text, flush=True)  # noqa: T201 - it is one


def tell(results: Iterable[Result]) -> int:
    """Print what is broken, and how long each fault took; gives how many are."""
    broken, seconds, count = 0, Counter[str](), Counter[str]()
    for result in results:
        seconds[result.case.fault] += result.seconds
        count[result.case.fault] += 1
        if count.total() % TOLD_EACH == 0:
            say(f"{count.total()} cases so far")
        if result.problem:
            broken += 1
            say(f"BROKEN {result.case}\n  " + result.problem.replace("\n", "\n  "))
    for fault in count:
        say(f"{fault}: {count[fault]} cases, {seconds[fault] / count[fault]:.2f} s each")
    return broken


def _own_server(stack: ExitStack) -> str:
    server = acquire(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.callback(server.close)
    databases.hasten(server.url)
    return server.url


if __name__ == "__main__":
    sys.exit(main())
