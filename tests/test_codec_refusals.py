"""What arguments and results may not hold: each is refused by the path to the value, with the remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from pgflow.codec import CallCheck, encode_arguments, encode_value
from pgflow.codec.calls import SHAPES_MAX, signature_of
from pgflow.errors import ArgumentError


class Colour(Enum):
    RED = 1


@dataclass
class Line:
    price: Decimal
    note: str | None = None


@dataclass
class Order:
    lines: list[Line]


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        encode_arguments(args, kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"order": Line(math.nan)}, '["order"].price', "nan"),  # type: ignore[arg-type]
        ([1, -math.inf], "[1]", "-inf"),
        (Line(Decimal("NaN")), ".price", "finite"),
        ("a\0b", "", "NUL"),
        ("\udc80", "", "surrogate"),
        ({"\0": 1}, "", "NUL"),
        ({"a": {"\ud800": 1}}, '["a"]', "surrogate"),
        ({1: 2}, "", "key 1 of type int"),
        ([{"a": {True: 1}}], '[0]["a"]', "key True"),
        ({None: 1}, "", "key None"),
        ({1.5: 1}, "", "key 1.5"),
        ({(1, 2): 1}, "", "key (1, 2)"),
        ({1e300: 1}, "", "key 1e+300"),
        (10**40, "", "40 digits"),
        pytest.param(-(10**5000), "", "40 digits", id="a number str() refuses"),
        ({"a": [10**40]}, '["a"][0]', "40 digits"),
        (b"x", "", "base64"),
        ([bytearray(1)], "[0]", "base64"),
        ({b"x"}, "", "base64"),
        ((n for n in [1]), "", "pass a list"),
        (int, "", "pass its name"),
        (len, "", "builtin"),
        (lambda: 0, "", "pass its name"),
        (1j, "", "complex"),
        ([object()], "[0]", "object"),
        (Colour, "", "pass its name"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_path(value: Any, path: str, why: str) -> None:
    for given_as, told in (((value,), {}), "args[0]"), (((), {"k": value}), 'kwargs["k"]'):
        message = refusal(*given_as[0], **given_as[1])
        assert message.startswith(f"{told}{path} "), message
        assert why in message


def test_the_path_goes_through_dataclasses_models_and_lists() -> None:
    order = Order([Line(Decimal(1)), Line(float("inf"))])  # type: ignore[arg-type]
    assert refusal(order=order).startswith('kwargs["order"].lines[1].price is inf')

    class Reading(BaseModel):
        values: list[float]

    assert refusal(Reading(values=[1.0, math.nan])).startswith("args[0].values[1] is nan")


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[Any] = [1]
    ring.append({"a": ring})
    assert 'args[0][1]["a"] contains itself' in refusal(ring)

    @dataclass
    class Node:
        next: Any = None

    node = Node()
    node.next = [node]
    assert refusal(node).startswith("args[0].next[0] contains itself")


def test_a_mapping_of_ones_own_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = MappingProxyType(loop)
    assert "contains itself" in refusal(MappingProxyType(loop))


def test_a_long_chain_of_dataclasses_is_refused() -> None:
    @dataclass
    class Node:
        next: Node | None

    node = Node(None)
    for _ in range(300):
        node = Node(node)
    assert "more than 64 levels" in refusal(node)


def test_a_value_used_twice_is_no_ring() -> None:
    shared = [1]
    assert encode_value([shared, {"a": shared}], "x") == '[[1],{"a":[1]}]'


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_64_levels_are_stored_and_65_are_refused() -> None:
    assert encode_value(nested(64), "x") == "[" * 64 + "]" * 64
    for levels in (65, 50_000):
        with pytest.raises(ArgumentError, match="more than 64 levels"):
            encode_value(nested(levels), "x")


def test_wide_values_are_not_deep_ones() -> None:
    assert encode_value([[]] * 200, "x").count("[]") == 200


def test_a_result_is_refused_under_its_own_name() -> None:
    with pytest.raises(ArgumentError, match=r'result\["a"\] is nan'):
        encode_value({"a": math.nan}, "result")


def test_a_serializer_that_fails_is_named() -> None:
    class Broken(BaseModel):
        def model_dump(self, **_: Any) -> dict[str, Any]:
            raise RuntimeError("no luck")

    assert refusal([Broken()]) == "args[0][0] cannot be stored as JSON: no luck"


def check_of(function: Any) -> CallCheck:
    return CallCheck(signature_of(function, skip_first=False), "shop.f")


def test_a_call_that_fits_passes_each_time_and_one_that_does_not_is_told() -> None:
    def f(a: int, b: int = 0, /, c: int = 0, *, d: int) -> str: ...  # type: ignore[empty-body]

    check = check_of(f)
    for _ in range(2):
        check((1,), {"d": 1})
        check((1, 2, 3), {"d": 1})
        check((1,), {"d": 1, "c": 2})
        for args, kwargs in [
            ((), {"d": 1}),
            ((1,), {}),
            ((1, 2, 3, 4), {"d": 1}),
            ((1, 2, 3), {"c": 1, "d": 1}),
            ((1,), {"d": 1, "e": 2}),
        ]:
            with pytest.raises(
                ArgumentError, match=r"^shop\.f\(a: 'int', b: 'int' = 0, /, c: 'int' = 0, \*, d: 'int'\): "
            ):
                check(args, kwargs)


def test_a_function_of_any_keywords_remembers_a_bounded_number_of_shapes() -> None:
    def f(**others: int) -> None: ...

    check = check_of(f)
    for number in range(SHAPES_MAX * 2):
        check((), {f"k{number}": 1})
    assert len(check._fitting) == SHAPES_MAX
