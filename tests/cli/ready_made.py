"""Commands in processes of their own that have the interpreter's start and the imports behind them.

Half a second of CPU each otherwise, and the tests run hundreds. One process imports the command and forks a child for
each that is asked for: `python ready_made.py`, a line of JSON in, an exit code out.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import sys
import threading
import traceback
from typing import Any, NoReturn

IMPORTED = ("pgflow.cli", "pgflow.app", "psycopg", "pydantic_settings", "rich.console", "rich.table", "anyio.to_thread")


def main() -> None:
    """Fork for each line until there are no more."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _become(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(asked: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        _enter(**asked)
        runpy.run_module("pgflow", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = _exit_code(end.code)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined] - what an interpreter does at its end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _enter(words: list[str], directory: str, environment: dict[str, str], out: str, err: str) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    for fd, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_APPEND),
        (2, err, os.O_WRONLY | os.O_APPEND),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, fd)
        os.close(opened)
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [directory, *places, *(place for place in sys.path[1:] if place not in places)]
    importlib.invalidate_caches()
    sys.argv = ["pgflow", *words]


def _exit_code(code: object) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    main()
