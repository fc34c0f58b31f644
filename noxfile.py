"""The sessions everyone runs: `nox` for tests, lint, types and layers; `nox -s NAME` for one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "layers", "tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

EVERYTHING = "-e.[embedded,dev,uvloop]"
LOWEST_TESTS = ["tests", "--ignore", "tests/chaos", "--ignore", "tests/typing"]
"""What breaks under an old version breaks there; chaos and type checkers would say nothing more."""


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
def points(session: nox.Session) -> None:
    """Every edge of every statement and commit, times five faults; each is mended and the invariants checked."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "tests"
    session.run("python", "-m", "chaos.crash_points", *session.posargs)


@nox.session
def machine(session: nox.Session) -> None:
    """2,000 random histories of the store against a model of its rules, other ones each time."""
    session.install(EVERYTHING)
    session.env["PGFLOW_MACHINE_EXAMPLES"] = os.environ.get("PGFLOW_MACHINE_EXAMPLES", "2000")
    quiet = ["-o", "faulthandler_timeout=0"]
    session.run("python", "-m", "pytest", "-q", "-s", *quiet, "tests/chaos/test_machine.py", *session.posargs)


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
def bench(session: nox.Session) -> None:
    """What a job costs, on a database of its own: `-- SCENARIO… --runs N`, as `pgflow bench` takes them."""
    session.install(EVERYTHING)
    session.run("pgflow", "bench", *(session.posargs or ["drain", "held-snapshot", "--against", "floor"]))


@nox.session
def peers(session: nox.Session) -> None:
    """pgflow beside other queues, fetched first: `-- SCENARIO… --systems a,b`, else all of docs/benchmarking.md."""
    session.install(EVERYTHING)
    session.run("python", "-m", "bench", "install", success_codes=(0, 1))
    session.run("python", "-m", "bench", *(session.posargs or ["everything", "--report"]))


@nox.session
def scale(session: nox.Session) -> None:
    """More workers, queues and hosts (those take root) on one PostgreSQL: `-- --json FILE`, `-- report FILE`."""
    session.install(EVERYTHING)
    session.run("python", "-m", "bench.scale", *session.posargs)


@nox.session
def reads(session: nox.Session) -> None:
    """What each GET of the admin takes with two million jobs in the tables."""
    session.install(EVERYTHING)
    session.run("python", "-m", "bench.reads", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take the pictures of the admin's pages for the documentation: docs/images/*.png."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "tests:tests/admin/pages"
    session.run("python", "docs/take_screenshots.py", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Break each rule of the store and the worker on purpose: fails where the tests do not notice."""
    session.install(EVERYTHING)
    session.env["PYTHONPATH"] = "src:tests"
    session.run("python", "-m", "chaos.mutants", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The suite on the lowest version that is allowed of each dependency; arguments go to pytest."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    optional = project["optional-dependencies"]
    allowed = [*project["dependencies"], *optional["embedded"], *optional["uvloop"]]
    pinned = [re.sub(r"(\[.*\])?>=([\w.]+)[^;]*", r"==\2", dependency) for dependency in allowed]
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("\n".join(pinned) + "\n", "utf-8")
    session.install("-c", str(constraints), EVERYTHING)
    session.run("python", "-m", "pytest", "-q", "-n", "auto", *(session.posargs or LOWEST_TESTS))


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of all that pgflow runs on, by pip-audit; fails where they cannot be asked for."""
    place = Path(session.create_tmp())
    session.install("-e.[embedded,uvloop]")
    pinned = place / "runtime.txt"
    pinned.write_text(str(session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)), "utf-8")
    # in a place of its own, or what it needs itself would be looked at as ours
    session.run("python", "-m", "venv", str(place / "tool"))
    session.run(str(place / "tool/bin/pip"), "install", "-q", "pip-audit", external=True)
    answer = place / "audit.json"
    answer.unlink(missing_ok=True)
    command = [str(place / "tool/bin/pip-audit"), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command += ["-r", str(pinned), "-f", "json", "-o", str(answer)]
    session.run(*command, external=True, success_codes=range(256))
    looked_at = json.loads(answer.read_text("utf-8"))["dependencies"] if answer.exists() else []
    unasked = [one["name"] for one in looked_at if "skip_reason" in one]
    if not looked_at or unasked:
        # pip-audit itself ends well where the service knows none of them, as behind a mirror of packages alone
        session.error(
            f"the vulnerability service could not be asked, nothing is known of: {', '.join(unasked) or 'all'}"
        )
    if vulnerable := [one for one in looked_at if one["vulns"]]:
        session.error(json.dumps(vulnerable, indent=2))
    session.log(f"no known vulnerability in {len(looked_at)} distributions")
