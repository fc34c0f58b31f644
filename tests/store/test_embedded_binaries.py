"""Where PostgreSQL's programs are looked for, and what is said where there are none."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from pgflow.errors import DatabaseUnavailableError
from pgflow.store import embedded
from pgflow.store.embedded import binaries

if TYPE_CHECKING:
    from pathlib import Path


def test_binaries_are_looked_for_by_major_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for major in (12, 15, 16):
        bin_directory = tmp_path / str(major) / "bin"
        bin_directory.mkdir(parents=True)
        for program in ("initdb", "postgres"):
            (bin_directory / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n")
            (bin_directory / program).chmod(0o755)
    monkeypatch.setattr(binaries, "SYSTEM_ROOT", tmp_path)
    monkeypatch.setattr(binaries, "PACKAGES", {})
    monkeypatch.setenv("PATH", "/nowhere")
    assert embedded.find_binaries() == embedded.Binaries(tmp_path / "16/bin", 16, str(tmp_path))
    assert embedded.find_binaries(15).major == 15
    with pytest.raises(embedded.VersionMismatchError, match="PostgreSQL 12 is needed, found 16"):
        embedded.find_binaries(12)


def test_without_any_postgresql_the_error_names_all_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "SYSTEM_ROOT", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DatabaseUnavailableError, match=r"pgflow\[embedded\].*apt install.*PGFLOW_DATABASE_URL"):
        embedded.acquire(tmp_path / "pg")
