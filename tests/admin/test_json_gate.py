"""What a body and a query may hold: what JSON a stranger sends is read strictly, or refused with a stable code."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from probes import Asked
from wire import request, say, status_of

from pgflow.admin import Problem
from pgflow.plugins.admin import query, strict_json

if TYPE_CHECKING:
    import httpx
    from probes import Probes

    from pgflow.plugins.admin.server import Server

JSON = {"content-type": "application/json"}
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**38), 10**38) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=50
)


def refusal(raw: bytes) -> str | None:
    """The code a body is refused with."""
    try:
        strict_json.parse(raw)
    except Problem as problem:
        return problem.code if problem.status == 400 else f"{problem.status} {problem.code}"
    return None


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
@settings(deadline=None)
def test_what_is_allowed_is_read_as_json_reads_it(value: Any, as_ascii: bool, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=as_ascii, indent=indent)
    if "\\u0000" not in text:
        assert strict_json.parse(text.encode()) == json.loads(text)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'"\\ud83d\\ude00"')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'"' * 100_000)
@example(b'"\\' * 100_000)
@example(b"1" * 100_000)
@example(b"[" + b" " * 100_000)
@settings(deadline=None)
def test_any_bytes_are_read_or_refused_and_never_fail(raw: bytes) -> None:
    if refusal(raw) is None:
        text = json.dumps(strict_json.parse(raw))
        assert "\\u0000" not in text
        json.dumps(strict_json.parse(raw), ensure_ascii=False).encode()


@given(st.integers(1, 80), st.booleans(), st.booleans())
@settings(deadline=None)
def test_the_depth_is_counted_exactly(depth: int, as_objects: bool, empty: bool) -> None:
    inner = b"" if empty else b"0"
    raw = (
        b'{"k":' * (depth - 1) + b"[" + inner + b"]" + b"}" * (depth - 1)
        if as_objects
        else b"[" * depth + inner + b"]" * depth
    )
    assert refusal(raw) == (None if depth <= strict_json.MOST_DEPTH else "TOO_DEEP")


@pytest.mark.parametrize("item", [b"0", b"[]", b"{ }", b'"[{,"', b'"\\"["'])
@pytest.mark.parametrize("more", [0, 1])
def test_the_nodes_are_counted_exactly(item: bytes, more: int) -> None:
    count = strict_json.MOST_NODES - 1 + more
    wanted = "TOO_MANY_NODES" if more else None
    assert refusal(b"[" + b",".join([item] * count) + b"]") == wanted
    members = b",".join(b'"%d": %s' % (number, item) for number in range(count))
    assert refusal(b"{" + members + b"}") == wanted


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "MALFORMED_JSON"),
        (b"{", "MALFORMED_JSON"),
        (b"{} {}", "MALFORMED_JSON"),
        (b"[1,]", "MALFORMED_JSON"),
        (b"{'a': 1}", "MALFORMED_JSON"),
        (b"01", "MALFORMED_JSON"),
        (b'"\n"', "MALFORMED_JSON"),
        (b'"\x00"', "MALFORMED_JSON"),
        (b"]" * 60_000, "TOO_MANY_NODES"),
        (b'\xef\xbb\xbf{"a": 1}', "BAD_TEXT"),
        (b'"\xff"', "BAD_TEXT"),
        (b'"\xed\xa0\x80"', "BAD_TEXT"),
        ('{"a": 1}'.encode("utf-16"), "BAD_TEXT"),
        (b'"\\u0000"', "BAD_TEXT"),
        (b'{"\\u0000": 1}', "BAD_TEXT"),
        (b'[{"a": ["\\ud800"]}]', "BAD_TEXT"),
        (b'"\\ude00\\ud83d"', "BAD_TEXT"),
        (b'{"a": 1, "a": 1}', "DUPLICATE_KEY"),
        (b'[{"x": {"a": 1, "\\u0061": 2}}]', "DUPLICATE_KEY"),
        (b"NaN", "BAD_NUMBER"),
        (b"[-Infinity]", "BAD_NUMBER"),
        (b"1e400", "BAD_NUMBER"),
        (b"1" * 41, "BAD_NUMBER"),
        (b"0." + b"1" * 39, "BAD_NUMBER"),
        (b"1" * 5000, "BAD_NUMBER"),
    ],
)
def test_what_is_refused_has_a_code_of_its_own(raw: bytes, code: str) -> None:
    assert refusal(raw) == code


def test_numbers_of_forty_characters_and_pairs_of_surrogates_are_read() -> None:
    assert strict_json.parse(b"1" * 40) == int("1" * 40)
    assert math.isclose(strict_json.parse(b"0." + b"1" * 38), 1 / 9)
    assert strict_json.parse(b'"\\ud83d\\ude00 \\\\u0000"') == "\U0001f600 \\u0000"


@given(st.binary(max_size=60))
@example(b"limit=1&limit=1")
@example(b"arg.=1&arg.a=&&=&arg.a")
@example(b"limit=%00")
@example(b"arguments=1")
@settings(deadline=None)
def test_any_query_is_read_or_refused_and_never_fails(raw: bytes) -> None:
    try:
        read: object = query.as_model(raw, Asked)
    except Problem as problem:
        read = problem
        json.dumps(problem.document())
    assert isinstance(read, Asked) or (isinstance(read, Problem) and read.status in (400, 422))


@pytest.mark.parametrize(
    ("sent", "code", "pointer"),
    [
        ("lim=1", "UNKNOWN_PARAMETER", "?lim"),
        ("limit=1&limit=1", "REPEATED_PARAMETER", "?limit"),
        ("limit=one", "INVALID_VALUE", "?limit"),
        ("arg.a=1&arg.a=2", "REPEATED_PARAMETER", "?arg.a"),
        ("arguments=1", "UNKNOWN_PARAMETER", "?arguments"),
        ("arg.=1", "UNKNOWN_PARAMETER", "?arg."),
    ],
)
def test_a_parameter_that_is_refused_is_pointed_at(sent: str, code: str, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        query.as_model(sent.encode(), Asked)
    assert (caught.value.status, caught.value.code, caught.value.pointer) == (422, code, pointer)


def test_a_field_that_is_refused_is_pointed_at(client: httpx.Client, probes: Probes) -> None:
    cases = {
        "/b": ({"b": 1}, "UNKNOWN_FIELD"),
        "/size": ({"size": "big"}, "INVALID_VALUE"),
        "/a~1b~0": ({"a/b~": 1}, "UNKNOWN_FIELD"),
        "": ([1], "INVALID_VALUE"),
    }
    for pointer, (sent, code) in cases.items():
        answer = client.post("probe", json=sent)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, code, pointer)
    assert probes.answered == []
    assert [status["status"] for *_, status in probes.audited] == [422] * len(cases)


def test_a_body_may_be_left_out_where_it_says_so(client: httpx.Client) -> None:
    missing = client.post("probe", headers=JSON)
    assert (missing.status_code, missing.json()["code"]) == (400, "MISSING_BODY")
    assert client.post("probe/maybe").json()["name"] == "thing"
    assert client.post("probe/maybe", json={"name": "x"}).json()["name"] == "x"
    assert client.post("probe/7/poke").json() == {"id": "7"}
    assert client.post("probe/7/poke", json={}).json() == {"id": "7"}
    assert client.post("probe/7/poke", json={"a": 1}).json()["code"] == "BODY_NOT_TAKEN"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_goes_by_its_type(client: httpx.Client, kind: str) -> None:
    assert client.post("probe", content=b"{}", headers={"content-type": kind}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, {"content-type": "application/json; charset=latin-1"},
     {"content-type": "application/jsonp"}, {"content-type": ""}, {**JSON, "content-encoding": "gzip"}],
)  # fmt: skip
def test_what_is_not_said_to_be_json_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post("probe", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.fixture
def small(make_app: Any, serve: Any) -> Server:
    """An admin that takes bodies of 2,000 bytes."""
    served: Server = serve(make_app(admin={"body_bytes": 2_000}))
    return served


def test_a_body_over_the_limit_is_refused_as_soon_as_it_is_known(small: Server, db: Any) -> None:
    kind = (b"Content-Type", b"application/json")
    said = request(b"POST", b"/probe/ingest", kind, (b"Content-Length", b"99999999999"))
    chunked = request(b"POST", b"/probe/ingest", kind, (b"Transfer-Encoding", b"chunked"))
    for parts in ([said], [chunked, *[b"400\r\n" + b" " * 1024 + b"\r\n"] * 3]):
        answer = say(small.url, *parts)
        assert status_of(answer) == 413
        assert b"PAYLOAD_TOO_LARGE" in answer
    rows = db.execute("select kind, decision, reason_code, details ->> 'by' from pgflow.decisions").fetchall()
    assert rows == [("ingest", "rejected", "PAYLOAD_TOO_LARGE", "local")] * 2


def test_a_body_up_to_the_limit_is_taken_chunked_too(small: Server, probes: Probes) -> None:
    kind = (b"Content-Type", b"application/json")
    chunked = request(b"POST", b"/probe/ingest", kind, (b"Transfer-Encoding", b"chunked"))
    body = b'{"name": "in chunks"}'
    parts = [b"%x\r\n%s\r\n" % (len(body[at : at + 5]), body[at : at + 5]) for at in range(0, len(body), 5)]
    assert status_of(say(small.url, chunked, *parts, b"0\r\n\r\n")) == 200
    padded = body + b" " * (2_000 - len(body))
    assert status_of(say(small.url, request(b"POST", b"/probe/ingest", kind, body=padded))) == 200
    assert status_of(say(small.url, request(b"POST", b"/probe/ingest", kind, body=padded + b" "))) == 413
    assert probes.answered == ["in chunks"] * 2


def test_a_job_of_the_largest_payload_fits_into_a_body(make_app: Any) -> None:
    from pgflow.plugins.admin.settings import AdminSettings

    assert AdminSettings.read().most_body_bytes(100) == 1_048_576
    assert AdminSettings.read().most_body_bytes(64_000_000) > 64_000_000
    assert AdminSettings.read(body_bytes=5_000).most_body_bytes(64_000_000) == 5_000


RUBBISH = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /probe\r\n\r\n",
    b"GET /probe HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /probe HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET /probe HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    b"POST /probe HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{}",
]


def test_rubbish_on_the_wire_harms_nobody(client: httpx.Client, server: Server, probes: Probes) -> None:
    for rubbish in RUBBISH:
        answer = say(server.url, rubbish, close=True)
        assert not answer or 400 <= status_of(answer) < 500
    assert client.get("probe").status_code == 200
    assert probes.answered == []


@pytest.mark.parametrize(
    "path", ["probe/%00/poke", "probe/a%0ab/poke", "probe/%ff/poke", "probe/%c3/poke", "probe/%7f/poke"]
)
def test_a_path_is_text(client: httpx.Client, path: str) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_TEXT")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(raw=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_at_all_makes_the_admin_fail(client: httpx.Client, raw: bytes) -> None:
    answer = client.post("probe", content=raw, headers=JSON)
    assert answer.status_code in (201, 400, 422)
    assert "code" in answer.json() or answer.status_code == 201
