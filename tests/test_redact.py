"""Redaction: what goes by a secret's name does not come through, wherever it stands."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgflow.redact import MASK, is_secret, redacted, redacted_args, redacted_text

SECRET = "hunter2-c0rrect-h0rse"  # noqa: S105 - a made one
NAMES = (
    "password", "PASSWORD", "dbPassword", "db_password", "PGPASSWORD", "user-passwd", "accessToken", "x-auth-token",
    "token2", "client_secret", "Authorization", "apikey", "API_KEY", "APIKey", "x-api-key", "privateKey",
    "aws_secret_access_key", "AWSAccessKey", "Cookie", "set-cookie", "session", "sessionId", "credentials", "DB_PASS",
)  # fmt: skip
HARMLESS = ("tokenizer", "secretary", "author", "key", "monkey", "passenger", "compass", "to", "id", "cookiecutter")

# the first draw of any text loads a table for seconds
settings.register_profile("slow_start", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slow_start")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@st.composite
def nested(draw: st.DrawFn, leaf: Any) -> Any:
    """A value somewhere within which `leaf` stands."""
    value = draw(leaf)
    for step in draw(st.lists(st.sampled_from(["list", "dict"]), max_size=8)):
        if step == "list":
            value = [draw(values), value, draw(values)]
        else:
            value = {draw(st.sampled_from(HARMLESS)): value, "other": draw(values)}
    return value


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_speaks_of_a_secret_is_known_in_any_case(name: str) -> None:
    assert is_secret(name)
    assert is_secret(name.swapcase())
    assert is_secret(f"my_{name}")


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_sounds_alike_is_left(name: str) -> None:
    assert not is_secret(name)
    assert redacted({name: "x"}) == {name: "x"}


@given(nested(st.sampled_from(NAMES).map(lambda name: {name: SECRET})))
def test_no_secret_comes_through_at_any_depth(value: Any) -> None:
    assert SECRET not in json.dumps(redacted(value))


@given(nested(st.sampled_from(NAMES).flatmap(lambda name: values.map(lambda v: {name: [SECRET, {"x": SECRET}, v]}))))
def test_what_stands_within_a_secret_is_masked_with_it(value: Any) -> None:
    assert SECRET not in json.dumps(redacted(value))


@given(nested(st.just({"card": SECRET})), st.sampled_from(["card", "CARD", "Card"]))
def test_a_task_names_what_else_is_sensitive(value: Any, name: str) -> None:
    assert SECRET not in json.dumps(redacted(value, sensitive=(name,)))


@given(nested(st.sampled_from(NAMES).map(lambda name: json.dumps({"a": 1, name: SECRET, "b": [2]}))))
def test_no_secret_comes_through_in_json_within_a_text(value: Any) -> None:
    assert SECRET not in json.dumps(redacted(value))
    assert SECRET not in json.dumps(redacted(json.dumps(value)))


@given(st.text(min_size=4), st.text(alphabet="abcdefxyz", min_size=1), st.sampled_from(["postgresql", "redis", "amqp"]))
def test_no_password_comes_through_in_a_url(password: str, around: str, scheme: str) -> None:
    hidden = quote(f"§{password}", safe="")
    text = f"{around} {scheme}://user:{hidden}@db.example:5432/shop?x=1 failed"
    assert hidden not in redacted_text(text)
    assert redacted_text(text) == f"{around} {scheme}://user:{MASK}@db.example:5432/shop?x=1 failed"


@given(st.text())
def test_any_text_is_taken_and_masking_twice_is_masking_once(text: str) -> None:
    once = redacted_text(text)
    assert redacted_text(once) == once


@given(values)
def test_what_holds_no_secret_keeps_its_shape(value: Any) -> None:
    again = redacted(value)
    assert type(again) is type(value)
    assert redacted(again) == again


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=h password=pw dbname=d", "host=h password=*** dbname=d"),
        ("password='it''s' dbname=d", "password='***' dbname=d"),
        ("?user=a&password=pw&sslmode=require", "?user=a&password=***&sslmode=require"),
        ("postgresql://u:p@ss@h/d", "postgresql://u:***@h/d"),
        ("redis://:pw@h", "redis://:***@h"),
        ("https://host/path?q=a", "https://host/path?q=a"),
        ("https://host:8080/path", "https://host:8080/path"),
        ("Authorization: Basic dTpw", "Authorization: ***"),
        ("curl -H 'Authorization: Bearer abc.def' x", "curl -H 'Authorization: ***"),
        ("sent Bearer abc.def to x", "sent Bearer *** to x"),
        ("Cookie: a=b; c=d\nHost: h", "Cookie: ***\nHost: h"),
        ('{"token": "a\\"b", "n": 1}', '{"token": "***", "n": 1}'),
        ("{'api_key': b'a b', 'n': 1}", "{'api_key': ***, 'n': 1}"),
        ("Key (password)=(pw) already exists", "Key (password)=***"),
        ("password authentication failed for user", "password authentication failed for user"),
        ("max_tokens=4096", "max_tokens=4096"),
        ("tokens=abc", "tokens=***"),
        ("--password=pw --verbose", "--password=*** --verbose"),
    ],
)
def test_secrets_in_texts_are_masked_and_the_rest_is_left(text: str, shown: str) -> None:
    assert redacted_text(text) == shown


def test_a_pair_of_name_and_value_is_understood() -> None:
    assert redacted([{"name": "DB_PASSWORD", "value": "pw"}]) == [{"name": "DB_PASSWORD", "value": MASK}]
    assert redacted({"key": "colour", "value": "red"}) == {"key": "colour", "value": "red"}


def test_truth_values_nulls_and_counts_are_no_secrets() -> None:
    told = {"has_password": True, "token": None, "max_tokens": 4096, "token_ids": [1]}
    assert redacted(told) == {"has_password": True, "token": None, "max_tokens": 4096, "token_ids": MASK}
    assert redacted({"token": 4096, "pin_tokens": "4096"}) == {"token": MASK, "pin_tokens": MASK}


def test_positional_arguments_go_by_their_parameters_names() -> None:
    assert redacted_args(["a", "pw", 3], ["user", "password", "n"]) == ["a", MASK, 3]
    assert redacted_args(["a", "4111", "4112"], ["user", "cards"], ("cards",)) == ["a", MASK, MASK]
    assert redacted_args(["a", {"token": "x"}], []) == ["a", {"token": MASK}]


def test_a_long_text_takes_no_long_time() -> None:
    import time

    began = time.process_time()
    for piece in ("a", "a:", "a=", "://a:", "'", "password='", '\\"', "a,", "token=,", "bearer "):
        redacted_text((piece * 65_536)[:65_536])
    assert time.process_time() - began < 5


def test_a_value_of_many_levels_is_masked_below_the_bound() -> None:
    value: Any = SECRET
    for _ in range(400):
        value = [value]
    assert SECRET not in json.dumps(redacted(value))
