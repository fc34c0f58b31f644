"""What the pages show, and what their forms do: asked for as a browser without scripts asks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import scenery
from pages_client import Seen

import moves
from pgflow.model import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages_client import Pages
    from scenery import Scenery

    from pgflow import App

MASK = "***"
EVERY = [
    "", "jobs", "dead", "dead/list", "queues", "workers", "workers/web-9", "schedules", "decisions", "audit", "sign-in",
]  # fmt: skip


@pytest.mark.parametrize("path", EVERY)
def test_an_empty_database_has_pages_that_say_what_to_do_next(pages: Pages, path: str) -> None:
    answer = pages.get(f"/ui/{path}")
    assert answer.status_code == 200, answer.text
    seen = Seen(answer.text)
    assert [tag for tag, _ in seen.tags if tag == "h1"] == ["h1"]
    if path:
        return
    assert "pgflow demo --serve" in seen.words
    assert "No alarms" in seen.words


def test_the_overview_tells_what_waits_what_failed_and_where_to_look(filled: Scenery, pages: Pages, shop: App) -> None:
    seen = Seen(pages.get("/ui/").text)
    for words in ("No live worker takes queue exports", "Queue billing is paused", "the bank is closed until nine"):
        assert words in seen.words
    for words in ("Waiting", "Oldest wait", "Jobs a second", "Attempts failed", "Dead letters", "p99"):
        assert words in seen.words
    assert "./jobs?state=queued" in seen.links
    assert any(link.startswith("./dead/list?fingerprint=") for link in seen.links), "an error leads to its letters"
    assert any(link.startswith("./jobs?state=retrying&job_type=") for link in seen.links)


def test_every_number_of_the_overview_leads_to_a_page_that_is_there(filled: Scenery, pages: Pages) -> None:
    links = {link for link in Seen(pages.get("/ui/").text).links if link.startswith("./")}
    assert len(links) > 20
    for link in links:
        answer = pages.get(f"/ui/{link.removeprefix('./')}")
        assert (link, answer.status_code) == (link, 200)


def test_the_window_stands_in_the_address_and_a_wrong_one_is_said_to_be(pages: Pages) -> None:
    for window in ("1m", "5m", "15m", "1h", "6h", "24h"):
        text = pages.get(f"/ui/?window={window}").text
        assert f'href="./?window={window}" aria-current="true"' in text
        assert text.count("<polyline") >= 1 or window
    refused = pages.get("/ui/?window=9y")
    assert refused.status_code == 422
    assert "must be a length of time" in refused.text


def test_charts_have_their_numbers_as_a_table_too(shop: App, filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/?window=5m").text
    assert text.count("<figure") == text.count("As a table") == 3
    assert "<polyline" in text


def test_jobs_are_filtered_by_address_and_each_filter_can_be_taken_away(filled: Scenery, pages: Pages) -> None:
    answer = pages.get("/ui/jobs?state=dead&queue=mail&error_code=UNKNOWN")
    seen = Seen(answer.text)
    assert seen.words.count("cannot multiply") == 12
    chips = [given["href"] for tag, given in seen.tags if tag == "a" and given.get("class") == "chip"]
    assert chips == ["./jobs?state=dead&error_code=UNKNOWN", "./jobs?state=dead&queue=mail"]
    assert any(link == "./jobs?queue=mail&error_code=UNKNOWN&state=running" for link in seen.links), seen.links


def test_fields_left_empty_are_taken_out_of_the_address(pages: Pages) -> None:
    answer = pages.get("/ui/jobs?queue=&job_type=shop.charge_card&q=&arg_path=&arg_value=")
    assert answer.headers["location"] == "./jobs?job_type=shop.charge_card"


def test_an_argument_is_a_filter_of_its_own_name(filled: Scenery, pages: Pages) -> None:
    answer = pages.get("/ui/jobs?queue=mail&arg_path=0.id&arg_value=4711")
    assert answer.headers["location"] == "./jobs?queue=mail&arg.0.id=4711"
    listed = Seen(pages.follow(answer).text)
    assert "Argument 0.id 4711" in listed.words
    assert "No job matches" in Seen(pages.get("/ui/jobs?queue=mail&arg.0.id=4712").text).words


def test_a_filter_that_is_none_is_explained_on_the_page(filled: Scenery, pages: Pages) -> None:
    for wrong in ("created_after=yesterday", "queue=a%20b", "state=gone", "nonsense=1", "cursor=zzz"):
        answer = pages.get(f"/ui/jobs?{wrong}")
        assert answer.status_code in (400, 422)
        assert 'role="alert"' in answer.text


def test_the_search_takes_an_id_to_its_job(filled: Scenery, pages: Pages) -> None:
    answer = pages.get(f"/ui/jobs?q={filled.showcase.upper()}")
    assert answer.headers["location"] == f"./jobs/{filled.showcase}"


def test_pages_of_the_list_go_on_from_one_another(filled: Scenery, pages: Pages) -> None:
    answer, found = pages.get("/ui/jobs?limit=20&queue=mail"), []
    while True:
        found += re.findall(r'<tr id="job-([^"]+)"', answer.text)
        following = [link for link in Seen(answer.text).links if "cursor=" in link]
        if not following:
            break
        answer = pages.get(str(answer.url.join(following[0])))
    assert len(found) == len(set(found)) == 42
    assert found == sorted(found, reverse=True)


def test_a_search_that_came_to_its_bound_says_so(
    filled: Scenery, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgflow.store.admin import look

    monkeypatch.setattr(look, "LOOKED_AT_ROWS", 5)
    words = Seen(pages.get("/ui/jobs?q=nowhere&limit=2").text).words
    assert "Nothing found so far" in words
    assert "No index serves this filter" in words
    assert "Search on" in words


def test_a_bulk_action_counts_first_and_does_nothing(filled: Scenery, pages: Pages, db: Any) -> None:
    listed = pages.get("/ui/jobs")
    form = next(one for one in Seen(listed.text).forms if one.action.endswith("jobs/bulk"))
    chosen = [("id", one) for one in (*filled.dead[:2], filled.queued[0])]
    asked = pages.send(listed, form, *chosen, ("action", "replay"))
    words = Seen(asked.text).words
    assert "Replay 2 jobs ?" in words or "Replay 2 jobs?" in words
    assert "Left out" in words
    assert "Nothing has been done yet" in words
    assert moves.count(db, "dead_letters where replayed_as is not null") == 0
    confirm = Seen(asked.text).form("confirm")
    done = pages.send(asked, confirm, ("action", "replay"))
    assert "2 of 2 jobs" in Seen(done.text).words
    assert moves.count(db, "dead_letters where replayed_as is not null") == 2


def test_all_that_match_are_counted_confirmed_and_done(filled: Scenery, pages: Pages, db: Any) -> None:
    listed = pages.get("/ui/jobs?state=queued&queue=exports")
    form = next(one for one in Seen(listed.text).forms if one.action.endswith("jobs/bulk"))
    asked = pages.send(listed, form, ("which", "matching"), ("action", "cancel"))
    assert "Cancel 7 jobs" in Seen(asked.text).words
    moves.put(pages_app(pages), 1, queue="exports", task="shop.export_orders")
    refused = pages.send(asked, Seen(asked.text).form("confirm"), ("action", "cancel"))
    assert refused.status_code == 409
    again = pages.send(listed, form, ("which", "matching"), ("action", "cancel"))
    done = pages.send(again, Seen(again.text).form("confirm"), ("action", "cancel"))
    assert "8 of 8 jobs" in Seen(done.text).words
    assert moves.count(db, "ready where queue = 'exports'") == 0


def pages_app(pages: Pages) -> Any:
    """The pool of the app behind a client."""
    transport: Any = pages.client._transport
    return transport.app._gate._app.pool


def test_nothing_selected_and_no_such_action_are_said(pages: Pages) -> None:
    assert pages.post("/ui/jobs/bulk", {"action": "cancel"}).status_code == 422
    assert pages.post("/ui/jobs/bulk", {"action": "explode", "id": "x"}).status_code == 422
    assert pages.post("/ui/jobs/bulk", {"action": "cancel", "id": "no-id"}).status_code == 422


def test_a_job_shows_why_it_is_dead_and_the_line_that_failed(filled: Scenery, pages: Pages) -> None:
    text = pages.get(f"/ui/jobs/{filled.showcase}").text
    seen = Seen(text)
    assert "This job is dead" in seen.words
    assert "Fails at /srv/shop/orders/templates.py:17 in render" in seen.words
    assert seen.words.index("Fails at") < seen.words.index("Attempts"), "before anything else"
    assert text.count('class="frame fails"') == 2, "one of each traceback"
    assert "1 library frame" in seen.words
    assert "2 min" in seen.words, "how long it waited for its third run"
    assert f"pgflow replay {filled.showcase}" in seen.words
    assert "curl -s -X POST http://any.example/jobs" in seen.words


def test_a_life_is_drawn_to_scale(filled: Scenery, pages: Pages) -> None:
    text = pages.get(f"/ui/jobs/{filled.showcase}").text
    bars = [float(width) for width in re.findall(r'<rect class="bar is-failed" x="[^"]+" width="([^"]+)"', text)]
    # of 221.4 s in all, 30, 2 and 0.4
    assert [round(width) for width in bars] == [136, 9, 3]


@pytest.mark.parametrize("state", ["queued", "running", "retrying", "scheduled", "succeeded"])
def test_a_job_in_any_state_has_its_page(filled: Scenery, pages: Pages, state: str) -> None:
    answer = pages.get(f"/ui/jobs/{getattr(filled, state)[0]}")
    assert answer.status_code == 200
    assert f'class="state is-{state}"' in answer.text
    assert ("Replay…" in answer.text) == (state == "succeeded")


def test_a_job_is_cancelled_run_again_and_discarded(filled: Scenery, pages: Pages, probes: Any) -> None:
    for job_id, action, note in (
        (filled.queued[0], "cancel", "Cancelled."),
        (filled.scheduled[0], "retry", "It runs again now."),
        (filled.dead[0], "discard", "Discarded."),
        (filled.running[0], "cancel", "Its worker has been asked to end it."),
    ):
        answer = pages.post(f"/ui/jobs/{job_id}", {"action": action})
        assert answer.status_code == 303, answer.text
        assert note in pages.follow(answer).text
    acts = [(action, result["status"]) for _, action, _, result in probes.audited]
    assert acts == [("cancel_job", 200), ("retry_job", 200), ("bulk_jobs", 200), ("cancel_job", 200)]
    refused = pages.post(f"/ui/jobs/{filled.succeeded[0]}", {"action": "cancel"})
    assert refused.status_code == 409
    assert "This has changed meanwhile" in refused.text


def test_a_job_that_is_none_is_a_page_of_its_own(pages: Pages) -> None:
    for job_id in ("01a21737-f48b-7b9c-b83a-e1bdef10b460", "rubbish", "%3Cscript%3E"):
        answer = pages.get(f"/ui/jobs/{job_id}")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text


def test_a_replay_shows_what_differs_before_it_is_made(filled: Scenery, pages: Pages, db: Any) -> None:
    form_page = pages.get(f"/ui/jobs/{filled.showcase}/replay")
    form = next(one for one in Seen(form_page.text).forms if one.action.endswith("/replay"))
    given = json.loads(dict(form.fields)["kwargs"])
    assert given["api_token"] == MASK
    changed = json.dumps({**given, "locale": "de"})
    check = pages.send(form_page, form, ("kwargs", changed), ("queue", "exports"))
    assert '<span class="diff-gone">' in check.text
    assert re.search(r'diff-new">\+\s+&#34;locale&#34;: &#34;de&#34;', check.text)
    assert moves.count(db, "jobs where replay_of is not null") == 0
    done = pages.send(check, Seen(check.text).form("confirm"), ("confirm", "yes"))
    new_id = done.headers["location"].split("/")[-1].partition("?")[0]
    queue, kwargs, args = db.execute("select queue, kwargs, args from pgflow.jobs where id = %s", (new_id,)).fetchone()
    assert queue == "exports"
    assert kwargs == {"to": "ada@example.com", "api_token": "sk-live-831", "locale": "de"}, "the secret came along"
    assert args[0]["id"] == 4711
    assert "Replayed: this is the new job." in pages.follow(done).text


def test_a_replay_with_what_is_no_json_comes_back_to_the_form(filled: Scenery, pages: Pages) -> None:
    at = f"/ui/jobs/{filled.showcase}/replay"
    for wrong, said in (
        ("{", "not JSON"), ("[1]", "must be a JSON object"), ('{"a": NaN}', "not a finite number"),
        ('{"to": 1, "x": 2}', ""),
    ):  # fmt: skip
        answer = pages.post(at, {"kwargs": wrong, "confirm": "yes"})
        assert answer.status_code in (400, 422), wrong
        assert said in Seen(answer.text).words
        assert wrong[0] in answer.text


def test_dead_letters_stand_by_reason_task_and_error(filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/dead").text
    seen = Seen(text)
    order = [seen.words.index(code) for code in ("MAX_ATTEMPTS_EXCEEDED", "NON_RETRYABLE", "WORKER_CRASHED")]
    assert order == sorted(order)
    assert text.count('class="spark"') == 4
    assert "all 12…" in seen.words
    assert "No dead letters in exports" in Seen(pages.get("/ui/dead?queue=exports").text).words


def test_a_group_is_replayed_at_a_rate_after_it_was_counted(filled: Scenery, pages: Pages, db: Any) -> None:
    page = pages.get("/ui/dead")
    form = next(one for one in Seen(page.text).forms if ("limit", "10") in one.buttons)
    asked = pages.send(page, form, ("limit", "10"))
    assert "Replay 10 dead letters" in Seen(asked.text).words
    assert moves.count(db, "jobs where replay_of is not null") == 0
    confirm = next(one for one in Seen(asked.text).forms if one.action.endswith("dead/replay"))
    again = pages.send(asked, confirm, ("rate", "2"))
    assert "At 2.0 a second the last one may run in 4.5 s" in Seen(again.text).words
    confirm = next(one for one in Seen(again.text).forms if one.action.endswith("dead/replay"))
    done = pages.send(again, confirm, ("confirm", "yes"))
    assert "Replayed 10 dead letters" in Seen(done.text).words
    assert moves.count(db, "jobs where replay_of is not null") == 10
    assert moves.count(db, "scheduled where queue = 'mail' and run_at > now()") >= 9


@pytest.mark.parametrize("field", ["rate", "limit"])
def test_a_rate_or_a_count_that_is_none_is_refused(filled: Scenery, pages: Pages, field: str) -> None:
    for wrong in ("many", "-1", "1e99", "٣"):
        answer = pages.post("/ui/dead/replay", {"reason_code": "NON_RETRYABLE", field: wrong})
        assert (wrong, answer.status_code) == (wrong, 422)


def test_a_dead_job_leads_to_those_that_died_of_the_same(filled: Scenery, pages: Pages) -> None:
    page = pages.get(f"/ui/jobs/{filled.showcase}")
    [link] = [link for link in Seen(page.text).links if "dead/list?fingerprint=" in link]
    assert "12 dead letters of this error" in Seen(page.text).words
    letters = pages.get(str(page.url.join(link)))
    assert letters.text.count('<tr id="job-') == 12
    assert f'id="job-{filled.showcase}"' in letters.text


def test_a_replay_of_all_that_match_is_offered_where_it_takes_no_more_than_is_seen(
    filled: Scenery, pages: Pages
) -> None:
    for asked, offered in (("", True), ("&queue=mail", True), (f"&worker={scenery.OTHER_WORKER}", False)):
        text = pages.get(f"/ui/dead/list?open=true{asked}").text
        assert '<tr id="job-' in text
        assert ("Replay the newest" in text) == offered


def test_letters_one_by_one_say_what_became_of_them(filled: Scenery, pages: Pages, shop: App) -> None:
    shop.replay(filled.dead[0])
    shop.door._opened()
    text = pages.get("/ui/dead/list").text
    assert "replayed as" in Seen(text).words
    assert Seen(text).words.count("dead ") >= 18


def test_pages_say_what_a_plugin_that_is_off_would_bring(
    make_app: Callable[..., App], pages_of: Callable[..., Pages]
) -> None:
    app = make_app(disabled_plugins=("metrics",))
    words = Seen(pages_of(app).get("/ui/").text).words
    assert "The plugin metrics is switched off" in words


def test_what_plugins_add_stands_in_the_navigation_and_on_their_page(shop: App, pages_of: Callable[..., Pages]) -> None:
    from pgflow import AdminExtras, NavEntry, Panel, hookimpl

    class Moon:
        name = "moon"

        @hookimpl
        def pgflow_admin_routes(self) -> AdminExtras:
            panel = Panel("The moon", "overview", lambda _app: [("phase", "<b>full</b>")])
            return AdminExtras(nav=(NavEntry("Moon", "moon"),), panels=(panel,))

    shop.use(Moon())
    text = pages_of(shop).get("/ui/").text
    assert 'href="../moon"' in text
    assert "&lt;b&gt;full&lt;/b&gt;" in text


def test_an_attempt_that_was_lost_and_one_that_snoozed_are_in_the_life(shop: App, pages: Pages, db: Any) -> None:
    pool = shop.pool
    [job_id] = moves.put(pool, 1, queue="mail", task="shop.send_receipt")
    for kind in (OutcomeKind.SNOOZED, OutcomeKind.RELEASED, OutcomeKind.FAILED, OutcomeKind.CANCELLED):
        [job] = moves.claim(pool, 1, queue="mail")
        delay = None if kind is OutcomeKind.CANCELLED else 0.0
        moves.finish(
            pool, [moves.ended(job, kind, delay=delay, error_code="UNKNOWN", error_message="cancelled by ada")]
        )
    words = Seen(pages.get(f"/ui/jobs/{job_id}").text).words
    assert "snoozed" in words
    assert "by ada" in words
