"""What keeps strangers out of the pages: sign-in, forms of other sites, read-only, headers, escapes, files."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages_client import Seen
from probes import TOKEN

import moves
from pgflow import Actor
from pgflow.admin import Query, Statement, nothing
from pgflow.model import OutcomeKind
from pgflow.plugins.admin.pages import PAGES, files
from pgflow.plugins.admin.pages.desk import safe_next
from pgflow.plugins.admin.pages.rendering import TEMPLATES, environment
from pgflow.plugins.admin.pages.sessions import MOST_SESSIONS, Sessions
from pgflow.plugins.audit import entries
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.spec import Schedule
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages_client import Pages

    from pgflow import App

OF_TESTS = Path(__file__).parent / "vendor"
XSS = '"><img src=x onerror="alert(1)"><script>alert(2)</script>\'{{7*7}}<b hx-get=/x hx-trigger=load>'

BEAT = Query(
    "hostile_beat",
    """insert into pgflow.workers (id, started_at, beat_at, pid, slots, running, stopping, host, version, backend,
      queues, tasks, long_running)
    values (%(id)s, %(now)s, %(now)s, 1, 1, 1, false, %(text)s, %(text)s, %(text)s, %(texts)s, %(texts)s,
      %(long)s::json)""",
)

NAMES = Query(
    "hostile_names",
    """with q as (insert into pgflow.queues (name, paused, paused_reason) values (%(text)s, true, %(text)s)),
      j as (update pgflow.jobs set queue = %(text)s, task = %(text)s where id = %(id)s::uuid),
      r as (update pgflow.ready set queue = %(text)s where job_id = %(id)s::uuid)
    update pgflow.schedules set name = %(text)s, task = %(text)s, queue = %(text)s where name = 'other'""",
)
"""Names that no front door lets in: who may write to the tables may write them."""


@pytest.fixture
def guarded_pages(make_app: Callable[..., App], pages_of: Callable[..., Pages]) -> Pages:
    """The pages of an admin that asks for `TOKEN`."""
    return pages_of(make_app(api_token=TOKEN))


def sign_in(pages: Pages, token: str = TOKEN, following: str = "") -> Any:
    return pages.post("/ui/sign-in", {"token": token, "next": following})


# sign-in


def test_without_a_session_every_page_is_the_way_in(guarded_pages: Pages) -> None:
    for path in ("", "jobs?state=dead", "jobs/x", "nothing"):
        answer = guarded_pages.get(f"/ui/{path}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        form = Seen(answer.text).form("token")
        assert dict(form.fields)["next"] == path
        assert str(answer.url.join(form.action)).endswith("/ui/sign-in")
    assert guarded_pages.get("/ui/", headers={"accept": "application/json"}).json()["code"] == "UNAUTHORIZED"


def test_a_token_is_given_once_and_then_a_cookie_stands_for_it(guarded_pages: Pages) -> None:
    answer = sign_in(guarded_pages, following="jobs?state=dead")
    assert (answer.status_code, answer.headers["location"]) == (303, "./jobs?state=dead")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=" not in cookie, "then it is sent to pages only, under any prefix"
    assert TOKEN not in cookie
    page = guarded_pages.get("/ui/jobs")
    assert page.status_code == 200
    assert "api-token" in Seen(page.text).words


def test_a_session_opens_pages_and_no_api(guarded_pages: Pages) -> None:
    sign_in(guarded_pages)
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in guarded_pages.client.cookies.items())}
    assert guarded_pages.get("/ui/stats", headers=cookie).status_code == 200
    for path in ("/jobs", "/stats", "/audit", "/openapi.json", "/ui"):
        assert guarded_pages.get(path, headers=cookie).status_code == 401, path


def test_signing_out_ends_the_session_on_the_server(guarded_pages: Pages) -> None:
    sign_in(guarded_pages)
    cookie = {"cookie": f"pgflow_session={guarded_pages.client.cookies['pgflow_session']}"}
    answer = guarded_pages.post("/ui/sign-out", {})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "You are signed out" in guarded_pages.follow(answer).text
    guarded_pages.client.cookies.clear()
    assert guarded_pages.get("/ui/", headers=cookie).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN.upper(), "schlüssel", "\x00", "x" * 5_000])
def test_a_wrong_token_is_no_way_in(guarded_pages: Pages, token: str) -> None:
    answer = sign_in(guarded_pages, token)
    assert answer.status_code in (400, 401)
    assert "set-cookie" not in answer.headers
    assert token == "" or len(token) < 6 or token not in answer.text


def test_a_token_taken_away_ends_its_sessions(
    make_app: Callable[..., App], pages_of: Callable[..., Pages], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"ada": {"token": "adas-token", "scopes": ["read"]}}')
    pages = pages_of(make_app(auth={"tokens_file": str(tokens)}))
    assert sign_in(pages, "adas-token").status_code == 303
    assert pages.get("/ui/").status_code == 200
    tokens.write_text('{"eve": {"token": "another-token", "scopes": ["read"]}}')
    assert pages.get("/ui/").status_code == 401


def test_sessions_end_by_themselves_and_are_not_without_number() -> None:
    short = Sessions(0.02)
    cookie = short.open("t")
    assert short.token(cookie) == "t"
    time.sleep(0.03)
    assert short.token(cookie) is None
    many = Sessions(60)
    first = many.open("first")
    cookies = [many.open("t") for _ in range(MOST_SESSIONS)]
    assert many.token(first) is None
    assert all(many.token(one) == "t" for one in cookies)
    assert many.token("") is None


def test_a_cookie_that_is_rubbish_is_none(guarded_pages: Pages) -> None:
    for cookie in (
        "pgflow_session=",
        "pgflow_session=x",
        'pgflow_session="\\377"',
        "pgflow_session=a; pgflow_session=b",
    ):
        assert guarded_pages.get("/ui/", headers={"cookie": cookie}).status_code == 401


@pytest.mark.parametrize(
    "following",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "../../x",
        "javascript:alert(1)//",
        "\\\\evil",
        "a\nb",
        "x y",
    ],
)
def test_signing_in_leads_nowhere_else(guarded_pages: Pages, following: str) -> None:
    location = sign_in(guarded_pages, following=following).headers["location"]
    assert location.startswith("./")
    assert "evil" not in location.removeprefix("./").partition("/")[0] or location == "./"
    assert "//" not in location
    assert ".." not in location.removeprefix("./")


def test_where_one_comes_from_is_kept() -> None:
    for good in ("", "jobs", "jobs?state=dead&arg.a=b", "jobs/01a2/replay", "queues/a:b", "jobs?q=%2F%2F"):
        assert safe_next(good) == good
    for bad in ("/jobs", "//x", "a//b", "../x", "jobs?q=\\", "http://x/", "jobs#x", 'x"y'):
        assert safe_next(bad) == ""


def test_a_link_from_elsewhere_comes_back_with_its_cookie(guarded_pages: Pages) -> None:
    """A strict cookie is not sent behind a link of another site; the page asks again by itself."""
    assert 'http-equiv="refresh"' in guarded_pages.get("/ui/jobs", headers={"sec-fetch-site": "cross-site"}).text
    assert 'http-equiv="refresh"' not in guarded_pages.get("/ui/jobs").text


def test_a_part_of_a_page_asked_for_without_a_session_has_the_page_loaded_anew(guarded_pages: Pages) -> None:
    answer = guarded_pages.get("/ui/", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"], answer.content) == (401, "true", b"")


def test_without_tokens_only_this_machine_sees_pages(shop: App, pages_of: Callable[..., Pages]) -> None:
    assert pages_of(shop).get("/ui/").status_code == 200
    away = pages_of(shop, client=("10.1.2.3", 1))
    assert away.get("/ui/").status_code == 401
    assert away.post("/ui/sign-in", {"token": "any"}).status_code == 401


# forms of other sites

FORGED = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "http://any.example"},
]
POSTS = [
    "sign-in", "sign-out", "theme", "jobs/bulk", "jobs/x", "jobs/x/replay", "dead/replay", "queues/x", "schedules/x",
]  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_site_changes_nothing(pages: Pages, probes: Any, path: str) -> None:
    for headers in FORGED:
        assert pages.post(f"/ui/{path}", {"action": "cancel"}, headers=headers).status_code == 403
    for origin in ("null", "http://evil.example", "http://any.example.evil"):
        bare = {"sec-fetch-site": "", "origin": origin}
        assert pages.post(f"/ui/{path}", {}, headers=bare).status_code == 403
    assert probes.audited == []


def test_every_page_that_takes_forms_is_among_those_tried() -> None:
    known = {re.sub(r"\{\w+\}", "x", page.path) for page in PAGES if page.act is not None}
    assert known == set(POSTS)


def test_a_form_by_its_origin_alone_is_let_in(pages: Pages, shop: App) -> None:
    """A browser without Sec-Fetch-Site, as over plain HTTP, says where a form comes from."""
    [job_id] = moves.put(shop.pool, 1)
    answer = pages.client.build_request("POST", f"/ui/jobs/{job_id}", content="action=cancel")
    headers = {
        "origin": "http://any.example",
        "content-type": "application/x-www-form-urlencoded",
        "accept": "text/html",
    }
    sent = pages._call.call(lambda: pages.client.request("POST", answer.url, content="action=cancel", headers=headers))
    assert sent.status_code == 303
    assert '<meta name="referrer" content="same-origin">' in pages.get("/ui/").text, "else the origin is null"


def test_the_api_takes_no_plain_forms(pages: Pages, shop: App) -> None:
    [job_id] = moves.put(shop.pool, 1)
    assert pages.post(f"/jobs/{job_id}/cancel", {}).status_code == 403


def test_pages_take_forms_only_and_methods_they_have(pages: Pages) -> None:
    assert (
        pages.ask("POST", "/ui/jobs/bulk", content="{}", headers={"content-type": "application/json"}).status_code
        == 415
    )
    assert (
        pages.ask("POST", "/ui/", content="", headers={"content-type": "application/x-www-form-urlencoded"}).status_code
        == 405
    )
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert pages.ask(method, "/ui/jobs", headers={"x-api-key": "x"}).status_code == 405
    assert pages.ask("HEAD", "/ui/jobs").content == b""
    assert pages.post("/ui/jobs/bulk", {"x": "y" * 2_000_000}).status_code == 413
    assert (
        pages.ask(
            "POST", "/ui/theme", content="next=%ff", headers={"content-type": "application/x-www-form-urlencoded"}
        ).status_code
        == 400
    )


# rights


def test_read_only_is_kept_by_the_server_and_pages_offer_nothing(
    make_app: Callable[..., App], pages_of: Callable[..., Pages], db: Any
) -> None:
    import scenery

    app = make_app(admin={"read_only": True})
    scenery.declare(app)
    made = scenery.build(app, db)
    pages = pages_of(app)
    for path in (
        "", "jobs", f"jobs/{made.showcase}", f"jobs/{made.queued[0]}", "dead", "dead/list?open=true", "queues",
        "queues/billing", "workers", f"workers/{scenery.WORKER}", "schedules", "schedules/warm-up", "decisions",
        "audit",
    ):  # fmt: skip
        seen = Seen(pages.get(f"/ui/{path}").text)
        posts = {form.action.rpartition("/")[2] for form in seen.forms if form.method == "post"}
        assert (path, posts) == (path, {"theme"})
        assert "read-only" in seen.words
    own = {"sec-fetch-site": "same-origin"}
    for path, fields in (
        (f"jobs/{made.queued[0]}", {"action": "cancel"}), (f"jobs/{made.showcase}", {"action": "reveal"}),
        (f"jobs/{made.showcase}/replay", {"confirm": "yes"}), ("jobs/bulk", {"action": "cancel", "id": made.queued[0]}),
        ("jobs/bulk", {"action": "cancel", "id": made.queued[0], "confirm": "1"}), ("dead/replay", {"confirm": "yes"}),
        ("queues/mail", {"action": "pause"}), ("queues/billing", {"action": "resume"}),
        ("queues/mail", {"action": "limits", "max_in_flight": "1"}), ("schedules/nightly", {"action": "run"}),
        ("schedules/nightly", {"action": "pause"}), ("schedules/warm-up", {"action": "resume"}),
    ):  # fmt: skip
        assert (path, pages.post(f"/ui/{path}", fields, headers=own).status_code) == (path, 403)
    for method, path in (("POST", f"jobs/{made.queued[0]}/cancel"), ("PATCH", "queues/mail"), ("POST", "jobs")):
        answer = pages.ask(method, f"/{path}", json={"job_type": "x"}, headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (403, "READ_ONLY")
    assert moves.count(db, "jobs where replay_of is not null") == 0


def test_an_actor_is_shown_what_it_may_do_and_no_more(
    make_app: Callable[..., App], pages_of: Callable[..., Pages], db: Any, probes: Any
) -> None:
    import scenery

    tokens = {name: {"token": f"{name}-token", "scopes": scopes} for name, scopes in (
        ("reader", ["read"]), ("operator", ["read", "operate"]), ("admin", ["admin"]), ("writer", ["enqueue"]),
    )}  # fmt: skip
    app = make_app(auth={"tokens": tokens})
    scenery.declare(app)
    made = scenery.build(app, db)
    shown = {}
    for name in tokens:
        pages = pages_of(app)
        sign_in(pages, f"{name}-token")
        text = pages.get(f"/ui/jobs/{made.showcase}").text
        shown[name] = ("Replay…" in text, "Show what is masked" in text)
        reveal = pages.post(f"/ui/jobs/{made.showcase}", {"action": "reveal"})
        assert (reveal.status_code == 200) == (name == "admin"), name
        assert ("sk-live-831" in reveal.text) == (name == "admin")
    assert shown == {
        "reader": (False, False),
        "operator": (True, False),
        "admin": (True, True),
        "writer": (False, False),
    }
    assert ("admin", "reveal_job", f"/jobs/{made.showcase}/reveal") in [one[:3] for one in probes.audited]
    assert {one[3]["status"] for one in probes.audited} == {403, 200}


def test_what_a_plugin_forbids_no_page_does(filled: Any, pages: Pages, probes: Any) -> None:
    probes.forbidden.add("cancel_job")
    answer = pages.post(f"/ui/jobs/{filled.queued[0]}", {"action": "cancel"})
    assert answer.status_code == 403
    assert "plugin probes forbids local" in answer.text
    probes.forbidden.add("list_jobs")
    assert pages.get("/ui/jobs").status_code == 403


def test_secrets_are_masked_until_somebody_with_the_right_looks(filled: Any, pages: Pages, probes: Any) -> None:
    for path in ("jobs", f"jobs/{filled.showcase}", f"jobs/{filled.showcase}/replay", "dead/list", ""):
        text = pages.get(f"/ui/{path}").text
        assert "sk-live-831" not in text
        assert "4242" not in text
    assert probes.audited == []
    revealed = pages.post(f"/ui/jobs/{filled.showcase}", {"action": "reveal"})
    assert "sk-live-831" in revealed.text
    assert revealed.headers["cache-control"] == "no-store"
    assert [one[1] for one in probes.audited] == ["reveal_job"]
    assert "sk-live" not in json.dumps(probes.audited)


# what is shown is text


def test_what_others_wrote_is_shown_as_text(shop: App, pages: Pages) -> None:
    ids = _hostile(shop)
    for path in (
        "",
        "jobs",
        "jobs?q=img",
        "dead",
        "dead/list",
        *(f"jobs/{one}" for one in ids),
        f"jobs/{ids[0]}/replay",
        "queues",
        "queues/default",
        "workers",
        "workers/w1",
        "schedules",
        "schedules/hostile",
        "decisions",
        "audit",
    ):
        answer = pages.get(f"/ui/{path}")
        assert answer.status_code == 200, (path, answer.text)
        _check_harmless(answer.text, path)
    for name in ("queue", "job_type", "worker", "error_code", "tag", "q", "arg.x", "cursor", "state", "nonsense"):
        answer = pages.get("/ui/jobs", params={name: XSS})
        _check_harmless(answer.text, name)
    _check_harmless(
        pages.post(f"/ui/jobs/{ids[0]}/replay", {"kwargs": json.dumps({XSS: XSS}), "queue": XSS}).text, "replay"
    )
    _check_harmless(pages.post("/ui/jobs/bulk", {"action": XSS, "id": XSS}).text, "bulk")
    _check_harmless(pages.get(f"/ui/{XSS}").text, "path")
    _check_harmless(pages.get("/ui/jobs?did=" + XSS.replace("&", "")).text, "note")


def _hostile(shop: App) -> list[str]:
    payload = json.dumps({"order": XSS, XSS: [XSS, {XSS: XSS}]})
    ids = moves.put(
        shop.pool, 3, kwargs=payload, args=json.dumps([XSS]), headers={"tag": XSS, XSS: XSS}, unique_key=None
    )
    trace = f'Traceback (most recent call last):\n  File "{XSS}", line 1, in {XSS}\n    {XSS}\n{XSS}'
    said: dict[str, Any] = {"error_code": XSS[:100], "error_message": XSS, "traceback": trace, "spent": 1}
    first, second = moves.claim(shop.pool, 2, worker="w1")
    gave_up = moves.ended(first, OutcomeKind.DEAD, reason_code=XSS[:100], **said)
    moves.finish(shop.pool, [gave_up, moves.ended(second, OutcomeKind.FAILED, delay=900.0, **said)])
    shop.pool.run(act.pause("default", XSS))
    shop.pool.run(act.decide("policy", "default", XSS, XSS[:100], task=XSS, job_id=ids[2], details={XSS: [XSS]}))
    Schedules(shop).put("hostile", "shop.unknown", Schedule(seconds=60.0, args=[XSS], kwargs={XSS: XSS}))
    Schedules(shop).pause("hostile", XSS)
    shop.pool.run(act.decide("policy", XSS, XSS, XSS[:100], task=XSS, details={XSS: XSS}))
    Schedules(shop).put("other", "shop.unknown", Schedule(seconds=60.0))
    shop.pool.run(Statement(NAMES, {"text": XSS, "id": ids[2]}, nothing))
    long = json.dumps([{"job_id": XSS, "task": XSS, "seconds": XSS}, XSS])
    for worker in ("w1", XSS):
        told = {"id": worker, "text": XSS, "long": long, "now": datetime.now(UTC), "texts": [XSS]}
        shop.pool.run(Statement(BEAT, told, nothing))
    shop.pool.run(entries.keep(Actor(XSS, frozenset()), XSS, f"/jobs/{XSS}", {"status": 200, XSS: XSS}))
    return ids


def _check_harmless(text: str, what: str) -> None:
    seen = Seen(text)
    for tag, given in seen.tags:
        assert tag != "img", what
        assert not [name for name in given if name.startswith("on")], what
        assert tag != "script" or given.get("src"), what
        assert "style" not in given, what
        assert given.get("hx-get") != "/x", what
    assert "49" not in re.findall(r"'(\d+)&lt;b", text), "no template is made of what others wrote"


def test_no_template_lets_anything_past_the_escapes() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"\|\s*safe|autoescape|Markup|<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:", text
        ), path.name
        assert not re.search(r"(?:href|src|action)=\"/", text), f"{path.name}: links are relative"
    assert environment().autoescape is True
    assert "safe" not in environment().filters


def test_pages_have_the_policy_of_the_whole_admin(pages: Pages, guarded_pages: Pages) -> None:
    for answer in (
        pages.get("/ui/"),
        pages.get("/ui/nothing"),
        guarded_pages.get("/ui/"),
        pages.get("/ui/static/app.css"),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert pages.get("/ui/").headers["cache-control"] == "no-store"


# files


def test_files_are_open_kept_for_ever_by_their_digest_and_asked_for_otherwise(guarded_pages: Pages) -> None:
    for name, file in files.files().items():
        answer = guarded_pages.get(f"/ui/static/{name}")
        assert (answer.status_code, answer.content) == (200, file.body)
        assert answer.headers["cache-control"] == "public, no-cache"
        again = guarded_pages.get(f"/ui/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        named = guarded_pages.get(f"/ui/{files.address(name)}")
        assert "immutable" in named.headers["cache-control"]
    for path in ("x", "../desk.py", "%2e%2e/desk.py", "vendor", "", "app.css/", "..%2f..%2fgate.py"):
        assert guarded_pages.get(f"/ui/static/{path}").status_code in (401, 404), path


@pytest.mark.parametrize("folder", [files.MANIFEST.parent, OF_TESTS], ids=["shipped", "tests"])
def test_each_file_of_others_is_what_the_manifest_says(folder: Path) -> None:
    listed = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    for one in listed:
        assert hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"], one["file"]
        assert one["version"]
        assert one["licence"]
        assert (folder / one["licence_file"]).read_text("utf-8")
    known = {"manifest.json", *(one["file"] for one in listed), *(one["licence_file"] for one in listed)}
    assert {path.name for path in folder.iterdir()} == known
