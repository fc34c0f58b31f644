"""Where benchmarks run: databases of their own beside the configured one, made for each run and dropped behind it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Self

from pgflow.bench.stage import Bench
from pgflow.bench.tasks import make_app
from pgflow.database import EMBEDDED_DIRECTORY
from pgflow.errors import DatabaseUnavailableError
from pgflow.store import buckets, databases
from pgflow.store.embedded import acquire
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pgflow.bench.stage import Options

FAMILY: Final = "pgflow_bench"
DROP_TRIES: Final = 5


class Ground:
    """A server, and a migrated database on it from which those of the runs are copied.

    Nothing that was there is looked at or changed. Raises `DatabaseUnavailableError` where the server cannot be
    reached, or this role may not make databases.
    """

    def __init__(self, url: str | None) -> None:
        self._ends = ExitStack()
        self.is_embedded = url is None
        self.url = url if url is not None else self._ends.enter_context(acquire(EMBEDDED_DIRECTORY)).url

    def __enter__(self) -> Self:
        """Make the database to copy."""
        try:
            address = self._ends.enter_context(self._made(databases.EMPTY))
            app = make_app(dsn=address)
            try:
                migrate(app.pool, app.migrations)
                buckets.ensure(app.pool, app.settings.dataset_bucket)
            finally:
                app.close()
        except BaseException:
            self._ends.close()
            raise
        self._source = databases.name_in(address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop it, and give the embedded server back where it was used."""
        self._ends.close()

    @contextmanager
    def bench(self, options: Options) -> Iterator[Bench]:
        """Give the place of one run, on a database that nobody has used."""
        with self._made(self._source) as address:
            bench = Bench(address, options)
            try:
                yield bench
            finally:
                bench.close()

    @contextmanager
    def _made(self, source: str) -> Iterator[str]:
        address = databases.clone(self.url, source, family=FAMILY)
        try:
            yield address
        finally:
            self._drop(address)

    def _drop(self, address: str) -> None:
        # the server gives up where a session that it ends takes 5 s to go, which on a busy machine it may
        for left in range(DROP_TRIES, -1, -1):
            try:
                databases.drop(self.url, address)
            except DatabaseUnavailableError:
                if not left:
                    raise
            else:
                return
