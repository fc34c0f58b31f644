"""Runs one command as someone PostgreSQL accepts; a script for a fresh interpreter, standard library only.

    python -I -S launch.py IDENTITY run COMMAND...
    python -I -S launch.py IDENTITY daemon LOG DIRECTORY GATE COMMAND...

IDENTITY is `self`, `namespace` (a user namespace in which root is uid 65534) or `UID:GID`. `run` replaces
this process; `daemon` prints the pid of a session of its own in DIRECTORY. GATE is a descriptor whose lock
is held until PostgreSQL can be seen at work there, even where whoever asked for it is killed meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_NAME = 15
NOBODY = 65534
REFUSED = 77


def main(identity: str, manner: str, *words: str) -> None:
    """Become `identity`, then run the command. Exits with `REFUSED` where the kernel says no."""
    try:
        become(identity)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        sys.exit(REFUSED)
    if manner == "run":
        os.execv(words[0], words)  # noqa: S606 - no shell is the point
    log, directory, gate, *command = words
    os.chdir(directory)
    sys.stdout.write(f"{detach(log, int(gate), command)}\n")


def become(identity: str) -> None:
    """Change this process's user for good. Raises `OSError` where that is forbidden."""
    if identity == "namespace":
        enter_namespace()
    elif identity != "self":
        uid, gid = map(int, identity.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)


def enter_namespace() -> None:
    """Enter a user namespace where uid 0 is seen as 65534: files stay root's, root's powers are gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", encoding="ascii")
    (own / "uid_map").write_text(f"{NOBODY} {uid} 1", encoding="ascii")
    (own / "gid_map").write_text(f"{NOBODY} {gid} 1", encoding="ascii")


def detach(log: str, gate: int, command: list[str]) -> int:
    """Start the command as a daemon and return its pid."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.set_inheritable(gate, False)
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        wear_the_name()
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def wear_the_name() -> None:
    """Be seen as the server already: exec lets go of the gate a moment before it sets the name itself."""
    if sys.platform == "linux":
        # not by /proc/self/comm, which after a change of user is root's
        ctypes.CDLL(None).prctl(PR_SET_NAME, b"postgres", 0, 0, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
