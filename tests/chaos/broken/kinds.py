"""What a mutant is, and where the texts stand that mutants change."""

from __future__ import annotations

from typing import Final, NamedTuple


class Edit(NamedTuple):
    """One text of one file and what stands in its place; the old one occurs exactly once, or the table has rotted."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """Edits that together break one rule, and the tests of which one at least then fails."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]


SQL: Final = "src/pgflow/store/sql/"
STORE: Final = "src/pgflow/store/"
WORKER: Final = "src/pgflow/worker/"
DOOR: Final = "src/pgflow/door.py"
RULES: Final = "tests/store/test_rules.py::"
FLUSH: Final = "tests/store/test_flush.py::"
ACTS: Final = "tests/store/test_admin_act.py::"
LIMITED: Final = "tests/store/test_limited.py::"
BUCKETS: Final = "tests/store/test_buckets.py::"
REFUSALS: Final = "tests/plugins/test_enqueue_limits.py::"
LOCKS: Final = "tests/chaos/test_rules_of_locks.py::"
HELD: Final = "tests/store/test_held_settings.py::"
ROUND: Final = "tests/chaos/test_rules_of_workers.py::"
ENQUEUED: Final = "tests/store/test_enqueues.py::"
GATHERED: Final = "tests/test_gathering.py::"
ROTA: Final = "tests/worker/test_rota.py::"
WAYS: Final = "tests/chaos/test_rules_of_enqueues.py::"
WON: Final = "select j.* from judged as j join stored as s on s.job_id = j.job_id and s.attempt = j.attempt"
