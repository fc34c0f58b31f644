"""A statement is a value: a query from sql/, its parameters and how to read its rows. It does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

NO_SETTINGS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Query:
    """The text of one file in sql/, and how the store runs it.

    `settings` are set locally around it, which also pins its plan; `repeatable` says that running it
    again after a lost answer does no harm. With `looks_twice` it is run again where it finds no rows: planned
    while a bucket was being attached, it may have looked past them. A COPY's only parameter is `blocks`, the bytes
    that are sent.
    One that `prepares` not is planned each time, by how large the tables are by then. Answers in `binary` are cheaper
    to write and to read where there are many rows.
    """

    name: str
    text: str
    settings: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    looks_twice: bool = False
    prepares: bool = True
    binary: bool = False

    @property
    def copies(self) -> bool:
        """True where this is a COPY from here."""
        return self.text.startswith("copy ")


@dataclass(frozen=True, slots=True)
class Statement(Generic[T]):
    """A query with its parameters; `read` turns its rows into what the caller wants."""

    query: Query
    params: Mapping[str, Any]
    read: Callable[[Rows], T]


def load(
    name: str,
    settings: Mapping[str, str] | None = None,
    *,
    repeatable: bool = True,
    looks_twice: bool = False,
    prepares: bool = True,
    binary: bool = False,
    package: str | None = __package__,
) -> Query:
    """Load sql/`name`.sql of a package, the store's where none is named, without its comments.

    The query's name says whose it is, as in `cron/due`.
    """
    text = files(package or __package__).joinpath("sql", f"{name}.sql").read_text("utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    own = package in (None, __package__)
    full = name if own else f"{str(package).rpartition('.')[2]}/{name}"
    return Query(full, body, settings or {}, repeatable, looks_twice, prepares, binary)


def all_rows(rows: Rows) -> Rows:
    """Hand the rows on as they are."""
    return rows


def nothing(_rows: Rows) -> None:
    """Want nothing back."""


def first_column(rows: Rows) -> list[Any]:
    """The first column as a list."""
    return [row[0] for row in rows]


def literal(values: Sequence[object]) -> str:
    """Write values that need no quoting (numbers, ids, words) as a PostgreSQL array.

    A tenth of the cost of psycopg's own list adaptation, which matters at five hundred jobs a statement.
    """
    return "{" + ",".join(map(str, values)) + "}"
