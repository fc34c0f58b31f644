"""Arguments and results as JSON text: what goes in, what comes back out, and what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, computed_field

from pgflow.codec import BadPayloadError, CallCheck, Decoder, clean_text, encode_arguments, encode_value
from pgflow.codec.annotations import is_native
from pgflow.codec.calls import signature_of
from pgflow.codes import ErrorCode
from pgflow.errors import TaskDefinitionError

if TYPE_CHECKING:
    from ipaddress import IPv4Address

T = TypeVar("T")
OrderId = NewType("OrderId", int)


class Colour(Enum):
    RED = 1
    BLUE = "b"


class Size(StrEnum):
    SMALL = "s"


class Level(IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: Decimal


@dataclass
class Line:
    price: Decimal
    note: str | None = None
    total: int = field(default=0, init=False)


@dataclass(frozen=True)
class Order:
    id: UUID
    lines: list[Line]
    placed: datetime


class Customer(BaseModel):
    name: str = Field(alias="fullName")
    born: date
    tags: set[str] = set()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def initial(self) -> str:
        return self.name[0]


class Names(RootModel[list[str]]):
    pass


def decoder(function: Callable[..., Any]) -> Decoder:
    signature = signature_of(function, skip_first=False)
    return Decoder(function, signature, CallCheck(signature, "shop.f"))


def there_and_back(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    return decoder(function).decode(*encode_arguments(args, kwargs))


def test_empty_arguments_are_stored_as_nothing() -> None:
    assert encode_arguments((), {}) == (None, None)


def test_plain_arguments_become_compact_json() -> None:
    assert encode_arguments((17, "é"), {"to": "a@b.c", "x": None}) == ('[17,"é"]', '{"to":"a@b.c","x":null}')


@pytest.mark.parametrize("text", ["1" * 41, "\\u0000", '{"1":2}', "[" * 70, '\n\t"\\/\x01\x7f\u2028', "😀"])
def test_a_text_that_looks_like_trouble_is_stored_as_it_is(text: str) -> None:
    args, kwargs = encode_arguments((text, [text]), {"t": {text: text}})
    assert args is not None
    assert kwargs is not None
    assert json.loads(args) == [text, [text]]
    assert json.loads(kwargs) == {"t": {text: text}}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40) + 1, 10**40 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON)
def test_what_json_holds_comes_back_as_it_was(positional: Any, named: Any) -> None:
    def f(a: Any, *, b: Any) -> None: ...

    assert there_and_back(f, positional, b=named) == ([positional], {"b": named})


NOON = datetime(2026, 11, 24, 12, 0, 0, 7, tzinfo=UTC)
IDENT = UUID("019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime, NOON),
        (datetime, datetime(2026, 1, 2, 3)),  # noqa: DTZ001 - a naive one is data like any other
        (date, date(2026, 11, 24)),
        (time, time(23, 59, 1)),
        (timedelta, timedelta(days=-3, microseconds=1)),
        (UUID, IDENT),
        (Decimal, Decimal("1.10")),
        (Colour, Colour.RED),
        (Colour, Colour.BLUE),
        (Size, Size.SMALL),
        (Level, Level.HIGH),
        (tuple[int, UUID], (1, IDENT)),
        (tuple[date, ...], (date(2026, 1, 1), date(2026, 1, 2))),
        (set[int], {10, 9, 1}),
        (frozenset[Colour], frozenset({Colour.RED, Colour.BLUE})),
        (Point, Point(1, Decimal("2.5"))),
        (Order, Order(IDENT, [Line(Decimal("0.30"), "x"), Line(Decimal(1))], NOON)),
        (Customer, Customer(fullName="Ann", born=date(2000, 1, 1), tags={"a", "b"})),
        (Names, Names(["a"])),
        (Order | None, None),
        (Order | None, Order(IDENT, [], NOON)),
        (list[Line], [Line(Decimal(1))]),
        (dict[str, UUID], {"a": IDENT}),
        (dict[str, list[tuple[Colour, Decimal]]], {"a": [(Colour.RED, Decimal("1.0"))]}),
        (Sequence[UUID], [IDENT]),
    ],
)
def test_a_value_comes_back_as_its_parameter_is_annotated(annotation: Any, value: Any) -> None:
    def f(a: Any, *, b: Any) -> None: ...

    f.__annotations__.update(a=annotation, b=annotation)
    args, kwargs = there_and_back(f, value, b=value)
    assert (args[0], kwargs["b"]) == (value, value)
    assert type(args[0]) is type(value)


def test_annotations_written_as_texts_count_and_so_do_defaults_and_stars() -> None:
    def f(a: UUID, b: date = date.min, *c: Decimal, d: UUID = None, e: int = 0, **f: timedelta) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    day = date(2026, 1, 1)
    assert there_and_back(f, IDENT) == ([IDENT], {})
    assert there_and_back(f, IDENT, day, Decimal("1.5"), Decimal(2)) == ([IDENT, day, Decimal("1.5"), Decimal(2)], {})
    assert there_and_back(f, a=IDENT, d=None, e=1, g=timedelta(1)) == (
        [],
        {"a": IDENT, "d": None, "e": 1, "g": timedelta(1)},
    )
    assert there_and_back(f, IDENT, d=IDENT, b=day) == ([IDENT], {"d": IDENT, "b": day})


def test_a_name_of_a_positional_only_parameter_is_free_for_the_keywords() -> None:
    def f(a: UUID, /, **others: int) -> None: ...

    assert there_and_back(f, IDENT, a=1) == ([IDENT], {"a": 1})


def test_without_an_annotation_a_value_comes_back_as_json_has_it() -> None:
    def f(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return a, b

    assert there_and_back(f, Line(Decimal(1)), (1, {2})) == ([{"price": "1", "note": None}, [1, [2]]], {})


PLAIN: list[Any] = [
    int, str, float, bool, None, Any, object, list, dict, list[int], dict[str, Any], str | None, list[dict[str, int]],
    Literal["a", 1] | None, OrderId, T, Sequence[str], Mapping[str, float], list[T],  # type: ignore[valid-type]
]  # fmt: skip


@pytest.mark.parametrize("annotation", PLAIN)
def test_plain_annotations_need_no_conversion(annotation: Any) -> None:
    assert is_native(annotation)


@pytest.mark.parametrize(
    "annotation", [UUID, set, tuple, tuple[int], Colour, Order, Customer, list[date], date | None, Size]
)
def test_other_annotations_need_one(annotation: Any) -> None:
    assert not is_native(annotation)


def test_equal_sets_give_equal_texts() -> None:
    assert encode_value({"b", "a", "c"}, "x") == encode_value({"c", "a", "b"}, "x") == '["a","b","c"]'
    assert encode_value({Colour.BLUE, Colour.RED}, "x") == '["b",1]'


def payload_error(function: Callable[..., Any], args: str | None, kwargs: str | None = None) -> BadPayloadError:
    with pytest.raises(BadPayloadError) as caught:
        decoder(function).decode(args, kwargs)
    return caught.value


def test_stored_arguments_that_do_not_fit_are_bad_payloads() -> None:
    def f(order_id: UUID, *, lines: list[Line]) -> None: ...

    line = '{"lines":[{"price":"1"},{"price":"cheap"}]}'
    for args, kwargs, told in [
        ("[1]", None, "missing a required argument: 'lines'"),
        ("[1,2]", line, "too many positional arguments"),
        ('["no-id"]', line, "order_id: Input should be a valid UUID"),
        (f'["{IDENT}"]', line, "lines[1].price: Input should be a valid decimal"),
        ("{}", line, "not list"),
        ("[", line, "no JSON"),
        ("[NaN]", line, "no JSON"),
    ]:
        error = payload_error(f, args, kwargs)
        assert told in str(error)
        assert str(error).startswith("shop.f")
        assert (error.code, error.retryable) == (ErrorCode.BAD_PAYLOAD, False)


def test_a_misfit_does_not_show_the_value() -> None:
    def f(card: Decimal) -> None: ...

    assert "4111" not in str(payload_error(f, '["4111-secret"]'))


def test_an_annotation_json_cannot_give_back_is_told_when_a_value_comes() -> None:
    class Connection:
        pass

    def f(a: int, conn: Any = None) -> None: ...

    f.__annotations__["conn"] = Connection
    assert decoder(f).decode("[1]", None) == ([1], {})
    with pytest.raises(TaskDefinitionError, match=r"parameter conn .*Connection"):
        decoder(f).decode("[1, {}]", None)


def test_an_annotation_that_cannot_be_read_is_told_with_the_remedy() -> None:
    def f(address: IPv4Address) -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"shop\.f: .*IPv4Address.* TYPE_CHECKING"):
        decoder(f).decode('["127.0.0.1"]', None)


@given(st.text(st.characters()), st.integers(1, 200))
def test_any_text_becomes_one_that_postgresql_takes(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert "\0" not in clean
    assert len(clean.encode()) <= limit


def test_a_clean_text_stays_as_it_is() -> None:
    assert clean_text("héllo\n") == "héllo\n"
    assert clean_text("a\0b\udc80") == "a\\0b\\udc80"


def test_a_long_text_keeps_its_first_and_last_lines() -> None:
    clean = clean_text("first\n" + "x" * 100_000 + "\nlast")
    assert clean.startswith("first\n")
    assert clean.endswith("\nlast")
    assert "bytes and more left out" in clean
    assert len(clean.encode()) == 65_536
