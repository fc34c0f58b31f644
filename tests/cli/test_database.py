"""The embedded server's commands, and the doctor's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moves import put

if TYPE_CHECKING:
    from cli_runs import Command

    from pgflow.store.pool import Pool


def test_the_embedded_server_is_started_named_and_stopped(bare_command: Command) -> None:
    assert "pgflow db start" in bare_command.refused("db", "url", code=3)
    url = bare_command("db", "start").stdout
    try:
        assert bare_command("db", "url").stdout == url
        assert bare_command("jobs", "--dsn", url.strip()).stdout == "no jobs\n"
        assert bare_command("jobs").stdout == "no jobs\n"
    finally:
        assert bare_command("db", "stop").stdout == "stopped\n"
    assert bare_command("db", "stop").stdout == "it was not running\n"


def test_the_doctor_names_what_is_wrong_and_the_remedy(pgflow: Command, pool: Pool) -> None:
    assert pgflow.json("doctor")["ok"]
    put(pool)
    told = pgflow.json("doctor", code=1)
    wrong = [check for check in told["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["queues"]
    assert "WRONG" in pgflow("doctor", code=1).stdout
