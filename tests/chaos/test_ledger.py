# ruff: noqa: S106 - a token here names a job in the ledger and opens nothing
"""The ledger: what was noted is there after a kill, whole and in order, and a torn end is dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chaos.ledger import Ledger, read

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).parents[2]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger") as made:
        yield made


def test_notes_of_many_threads_come_back_whole_and_in_order(ledger: Ledger) -> None:
    def write(n: int) -> None:
        for m in range(20):
            ledger.note("asked", token=f"{n}-{m}", text="é" * 100)

    threads = [threading.Thread(target=write, args=[n]) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = read(ledger.directory)
    assert len({line["token"] for line in lines}) == 100
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def test_a_torn_last_line_is_dropped_and_another_is_an_error(ledger: Ledger) -> None:
    ledger.note("asked", token="a")
    with ledger.path.open("ab") as file:
        file.write(b'{"what": "asked", "tok')
    assert [line["token"] for line in read(ledger.directory)] == ["a"]
    with ledger.path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match=r"jsonl, line 2 cannot be read"):
        read(ledger.directory)


def test_what_was_noted_is_there_after_a_kill(tmp_path: Path) -> None:
    script = (
        f"import os, signal\nfrom chaos.ledger import Ledger\nledger = Ledger({str(tmp_path / 'ledger')!r})\n"
        "ledger.note('asked', token='a')\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    places = os.pathsep.join([str(REPO / "tests"), str(REPO / "src")])
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": places}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [(line["what"], line["token"]) for line in read(tmp_path / "ledger")] == [("asked", "a")]


def test_a_forked_child_writes_a_file_of_its_own(ledger: Ledger) -> None:
    ledger.note("asked", token="parent")
    pid = os.fork()
    if not pid:
        try:
            ledger.note("asked", token="child")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    ledger.note("asked", token="parent again")
    assert len(list(ledger.directory.glob("*.jsonl"))) == 2
    assert {line["token"] for line in read(ledger.directory)} == {"parent", "child", "parent again"}
