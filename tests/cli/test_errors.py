"""What goes wrong: one line that names the remedy, and an exit code that programs understand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pgflow import cli
from pgflow.commands import load
from pgflow.errors import AppNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from cli_runs import Command

NOWHERE = "postgresql://user:secret-word@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no_such_module:app", "there is no module no_such_module"),
        ("cli_tasks:nothing", "nothing is not there; its apps are: app"),
        ("two_apps", "its apps are: shop, mail"),
        ("two_apps:number", "is a int, not a pgflow App"),
        ("broken_module:app", r"RuntimeError: no luck \(.*broken_module.py:\d+\)"),
        ("os.path", "it has no App"),
    ],
)
def test_an_app_that_is_not_there_is_named(spec: str, words: str) -> None:
    with pytest.raises(AppNotFoundError, match=words):
        load.find(spec, needs_tasks=True)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("cli_tasks:app", "cli-tests"),
        ("cli_tasks.app", "cli-tests"),
        ("cli_tasks", "cli-tests"),
        ("two_apps:shop", "shop"),
    ],
)
def test_an_app_is_found_by_each_spelling(spec: str, name: str) -> None:
    assert load.find(spec, needs_tasks=True).name == name


def test_celery_s_order_of_words_is_understood(pgflow: Command) -> None:
    pgflow("-A", "cli_tasks:app", "worker", "--burst")


def test_the_working_directory_is_on_the_path(pgflow: Command, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "jobs.py").write_text("from pgflow import App\n\nqueue = App('shop')\n")
    pgflow("worker", "--burst", PGFLOW_APP="shop.jobs:queue")


def test_a_worker_without_an_app_says_how_to_name_one(pgflow: Command) -> None:
    assert "PGFLOW_APP" in pgflow.refused("worker", code=2)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["enqueue", "t", "--args", "{"], "is not JSON"),
        (["enqueue", "t", "--args", "{}"], "an array"),
        (["enqueue", "t", "--kwargs", "[]"], "an object"),
        (["enqueue", "t", "--run-at", "tomorrow"], "with an offset"),
        (["worker", "-P", "gevent"], "--backend asyncio or trio"),
        (["worker", "-P", "prefork"], "--processes N"),
        (["worker", "--lightning"], "pgflow worker --help"),
        (["fly"], "pgflow --help"),
        (["seed", "0"], "seed --help"),
        (["replay"], "--dead"),
        (["replay", "--dead", "17"], "--dead"),
        (["replay", "17", "--queue", "mail"], "add --dead"),
        (["replay", "--dead", "--to", "x"], "not with --dead"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_two(
    words: list[str], remedy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pgflow.cli", "pgflow.cli.worker"):
        monkeypatch.setattr(f"{module}.configure", lambda _level: None)
    assert cli.run(words) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert re.fullmatch("error: .*\n", shown.err)
    assert remedy in shown.err


def test_a_bad_setting_is_named_with_what_it_takes(pgflow: Command) -> None:
    message = pgflow.refused("jobs", code=2, PGFLOW_CONCURRENCY="many")
    assert "PGFLOW_CONCURRENCY" in message
    assert "slots" in message


def test_an_unreachable_database_is_exit_code_three_and_hides_the_password(bare_command: Command) -> None:
    message = bare_command.refused("jobs", "--dsn", NOWHERE, code=3)
    assert "127.0.0.1:1/none" in message
    assert "secret-word" not in message
    bare_command("worker", "-A", "cli_tasks:app", "--dsn", NOWHERE, code=3)


def test_no_database_at_all_names_the_setting(bare_command: Command) -> None:
    assert "PGFLOW_DATABASE_URL" in bare_command.refused("jobs", code=3, PGFLOW_EMBEDDED="0")


def test_only_debug_shows_a_traceback(bare_command: Command) -> None:
    done = bare_command("jobs", "--dsn", NOWHERE, "--debug", code=3)
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")


def test_the_version_is_told(bare_command: Command) -> None:
    assert re.fullmatch(r"pgflow \d+\.\d+\.\d+\S*\n", bare_command("--version").stdout)
