"""The pages of queues, workers, schedules, decisions and the audit: what they show, and what their forms do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import scenery
from pages_client import Seen

import moves
from pgflow.plugins.admin.pages.audit import leads_to
from pgflow.plugins.cron.schedules import Schedules
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages_client import Pages
    from scenery import Scenery

    from pgflow import App

NOTHING = ("max_in_flight", "max_attempts_per_minute", "throttle_delay_ms")


def form_of(text: str, button: tuple[str, str]) -> Any:
    """The form that has a button."""
    return next(one for one in Seen(text).forms if button in one.buttons)


# queues


def test_queues_in_trouble_stand_first_and_each_leads_to_its_page(filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/queues").text
    rows = [text.index(f'id="queue-{name}"') for name in ("billing", "exports", "mail", "media")]
    assert max(rows[:2]) < min(rows[2:])
    assert "./queues/exports" in Seen(text).links


def test_a_queue_shows_what_waits_who_works_on_it_and_what_was_decided(filled: Scenery, pages: Pages) -> None:
    seen = Seen(pages.get("/ui/queues/mail").text)
    for words in ("Waiting", "Oldest wait", "Running", "Jobs a second", "Workers that take it", scenery.WORKER):
        assert words in seen.words
    assert "PAYLOAD_TOO_LARGE" in seen.words
    for link in ("../jobs?queue=mail&state=queued", f"../workers/{scenery.WORKER}", "../decisions?queue=mail"):
        assert link in seen.links
    assert "No live worker takes this queue" in Seen(pages.get("/ui/queues/exports").text).words


def test_a_queue_is_paused_with_a_reason_and_resumed(filled: Scenery, pages: Pages, probes: Any) -> None:
    page = pages.get("/ui/queues/mail")
    done = pages.send(page, form_of(page.text, ("action", "pause")), ("reason", "smtp is down"), ("action", "pause"))
    assert done.headers["location"] == "../queues/mail?did=paused"
    shown = pages.follow(done)
    for words in ("Paused: what runs goes on", "smtp is down"):
        assert words in Seen(shown.text).words, "at once, and not a second later"
    done = pages.send(shown, form_of(shown.text, ("action", "resume")), ("action", "resume"))
    again = Seen(pages.follow(done).text)
    assert "Resumed." in again.words
    assert "smtp is down" not in again.words
    assert [(one[1], one[2], one[3]["status"]) for one in probes.audited] == [
        ("pause_queue", "/queues/mail/pause", 200), ("resume_queue", "/queues/mail/resume", 200),
    ]  # fmt: skip


def test_limits_are_set_shown_and_cleared_by_an_empty_field(filled: Scenery, pages: Pages, db: Any) -> None:
    at, button = "/ui/queues/mail", ("action", "limits")
    page = pages.get(at)
    done = pages.send(page, form_of(page.text, button), ("max_in_flight", " 7 "), ("throttle_delay_ms", "0"), button)
    shown = pages.follow(done)
    assert "The limits are set." in Seen(shown.text).words
    form = form_of(shown.text, button)
    assert [dict(form.fields)[name] for name in NOTHING] == ["7", "", "0"]
    pages.send(shown, form, ("max_in_flight", ""), button)
    sql = "select max_in_flight, max_attempts_per_minute, throttle_delay_ms from pgflow.queues where name = 'mail'"
    assert db.execute(sql).fetchone() == (None, None, 0)


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "many", "2147483648", "٣", "9" * 400])
def test_a_limit_that_is_none_comes_back_with_its_field(filled: Scenery, pages: Pages, probes: Any, wrong: str) -> None:
    answer = pages.post("/ui/queues/mail", {"action": "limits", "max_in_flight": wrong, "throttle_delay_ms": "250"})
    assert answer.status_code == 422
    form = form_of(answer.text, ("action", "limits"))
    assert dict(form.fields)["max_in_flight"] == wrong, "nothing has to be written again"
    assert dict(form.fields)["throttle_delay_ms"] == "250"
    assert "must be a whole number from 1 to 2,147,483,647" in Seen(answer.text).words
    assert answer.text.count('aria-invalid="true"') == 1
    assert probes.audited == []


def test_what_a_queue_cannot_do_and_a_queue_that_is_none(filled: Scenery, pages: Pages) -> None:
    assert pages.post("/ui/queues/mail", {"action": "explode"}).status_code == 422
    assert pages.post("/ui/queues/mail", {"action": "pause", "reason": "x" * 501}).status_code == 422
    assert pages.get("/ui/queues/nowhere").status_code == 404
    for name in ("a%20b", "%3Cb%3E"):
        assert pages.get(f"/ui/queues/{name}").status_code == 404
        assert pages.post(f"/ui/queues/{name}", {"action": "pause"}).status_code == 404


def test_a_queue_of_which_only_ended_jobs_are_left_has_its_page(shop: App, pages: Pages) -> None:
    from pgflow.model import OutcomeKind

    moves.put(shop.pool, 1, queue="legacy")
    moves.finish(
        shop.pool, [moves.ended(job, OutcomeKind.SUCCEEDED) for job in moves.claim(shop.pool, 1, queue="legacy")]
    )
    assert "No worker takes it" in Seen(pages.get("/ui/queues/legacy").text).words


def test_who_may_not_set_limits_sees_them(make_app: Callable[..., App], pages_of: Callable[..., Pages]) -> None:
    app = make_app(admin={"read_only": True})
    app.pool.run(act.set_limits("mail", max_in_flight=7))
    assert "Jobs in flight 7 Attempts a minute no limit" in Seen(pages_of(app).get("/ui/queues/mail").text).words


# workers


def test_a_silent_worker_stands_first_and_stands_out(filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/workers").text
    places = [text.index(f'id="worker-{one}"') for one in (scenery.LOST_WORKER, scenery.OTHER_WORKER, scenery.WORKER)]
    assert places == sorted(places)
    assert f'id="worker-{scenery.LOST_WORKER}" class="is-bad"' in text
    words = Seen(text).words
    assert "2 live workers" in words
    assert "1 fell silent" in words
    assert f"../workers/{scenery.LOST_WORKER}" not in Seen(text).links
    assert f"./workers/{scenery.LOST_WORKER}" in Seen(text).links


def test_workers_of_one_queue_are_a_filter_in_the_address(filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/workers?queue=billing").text
    assert text.count('<tr id="worker-') == 1
    assert scenery.OTHER_WORKER in text
    assert "pgflow worker -Q exports" in Seen(pages.get("/ui/workers?queue=exports").text).words


def test_a_worker_shows_what_it_runs_for_long_and_leads_to_its_jobs(filled: Scenery, pages: Pages) -> None:
    seen = Seen(pages.get(f"/ui/workers/{scenery.WORKER}").text)
    assert "5 min 12 s" in seen.words
    assert f"../jobs/{filled.running[0]}" in seen.links
    assert f"../jobs?worker={scenery.WORKER}" in seen.links
    assert "../queues/mail" in seen.links
    silent = Seen(pages.get(f"/ui/workers/{scenery.LOST_WORKER}").text).words
    assert "Silent: its last beat was" in silent
    gone = pages.get("/ui/workers/web-9")
    assert gone.status_code == 200
    assert "Nothing is known of this worker any more" in gone.text


# schedules


def test_schedules_show_when_they_fire_and_what_holds_them(filled: Scenery, pages: Pages) -> None:
    seen = Seen(pages.get("/ui/schedules").text)
    for words in ("nightly", "0 3 * * *", "every 15 min", "paused"):
        assert words in seen.words
    one = Seen(pages.get("/ui/schedules/warm-up").text)
    assert "the cache is being moved" in one.words
    assert "Its next slots" in one.words
    assert pages.get("/ui/schedules/never").status_code == 404


def test_a_schedule_is_paused_resumed_and_run_by_hand(filled: Scenery, pages: Pages, shop: App, db: Any) -> None:
    page = pages.get("/ui/schedules/nightly")
    form = form_of(page.text, ("action", "pause"))
    done = pages.send(page, form, ("reason", "stocktaking"), ("action", "pause"))
    shown = pages.follow(done)
    assert "it makes no job until it is resumed" in Seen(shown.text).words
    assert "stocktaking" in Seen(shown.text).words
    done = pages.send(shown, form_of(shown.text, ("action", "resume")), ("action", "resume"))
    assert "it goes on with its next slot" in Seen(pages.follow(done).text).words
    assert not Schedules(shop).get("nightly").paused
    before = moves.count(db, "jobs where queue = 'exports'")
    done = pages.post("/ui/schedules/nightly", {"action": "run", "from": "list"})
    assert "Made now: this is the new job." in Seen(pages.follow(done).text).words
    assert moves.count(db, "jobs where queue = 'exports'") == before + 1
    back = pages.post("/ui/schedules/nightly", {"action": "pause", "from": "list"})
    assert back.headers["location"] == "../schedules?did=schedule-paused"
    assert pages.post("/ui/schedules/nightly", {"action": "explode"}).status_code == 422
    assert pages.post("/ui/schedules/never", {"action": "run"}).status_code == 404


def test_schedules_go_on_page_by_page(shop: App, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgflow.plugins.admin.pages import schedules
    from pgflow.plugins.cron.spec import Schedule

    monkeypatch.setattr(schedules, "LIMIT", 2)
    for name in "abc":
        Schedules(shop).put(name, "shop.export_orders", Schedule(seconds=60.0, args=["x"]))
    first = pages.get("/ui/schedules")
    [following] = [link for link in Seen(first.text).links if "cursor=" in link]
    assert 'id="schedule-c"' in pages.get(str(first.url.join(following))).text


def test_without_their_plugins_schedules_and_audit_are_not_in_the_navigation(
    make_app: Callable[..., App], pages_of: Callable[..., Pages]
) -> None:
    pages = pages_of(make_app(disabled_plugins=("cron", "audit")))
    links = Seen(pages.get("/ui/queues").text).links
    assert "./decisions" in links
    assert not {"./schedules", "./audit"} & set(links)
    assert pages.get("/ui/schedules").status_code == pages.get("/ui/audit").status_code == 404


# decisions


def test_decisions_are_drawn_over_time_grouped_by_reason_and_lead_on(filled: Scenery, pages: Pages) -> None:
    text = pages.get("/ui/decisions").text
    seen = Seen(text)
    assert "<polyline" in text
    assert text.count('<tr id="decision-') == 4
    for link in (f"./jobs/{filled.scheduled[0]}", "./queues/billing", "./decisions?reason_code=QUEUE_PAUSED"):
        assert link in seen.links
    assert "./decisions?reason_code=OFF_HOURS&kind=policy" in seen.links, "the reasons are filters"


@pytest.mark.parametrize(
    ("asked", "count"),
    [("kind=ingest", 1), ("kind=policy", 3), ("queue=media", 2), ("queue=media&reason_code=OFF_HOURS", 1)],
)
def test_decisions_are_filtered_by_the_address(filled: Scenery, pages: Pages, asked: str, count: int) -> None:
    assert pages.get(f"/ui/decisions?{asked}&window=1h").text.count('<tr id="decision-') == count


def test_decisions_that_are_none_and_filters_that_are_none(pages: Pages) -> None:
    assert "Nothing has been decided against" in Seen(pages.get("/ui/decisions").text).words
    assert "No decision matches" in Seen(pages.get("/ui/decisions?queue=mail").text).words
    for wrong in ("queue=a%20b", "kind=other", "cursor=zzz", "nonsense=1", "window=2h"):
        answer = pages.get(f"/ui/decisions?{wrong}")
        assert answer.status_code in (400, 422)
        assert 'role="alert"' in answer.text


def test_decisions_go_on_page_by_page(shop: App, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgflow.plugins.admin.pages import decisions

    monkeypatch.setattr(decisions, "LIMIT", 2)
    for n in range(5):
        shop.pool.run(act.decide("ingest", "mail", "rejected", f"R{n}"))
    answer, found = pages.get("/ui/decisions?queue=mail"), []
    while True:
        found += [n for n in range(5) if f"<code>R{n}</code></a></td>" in answer.text]
        following = [link for link in Seen(answer.text).links if "cursor=" in link]
        if not following:
            break
        answer = pages.get(str(answer.url.join(following[0])))
    assert sorted(found) == list(range(5))


# the audit


def test_what_was_changed_is_in_the_audit_and_leads_to_it(filled: Scenery, pages: Pages) -> None:
    pages.post("/ui/queues/mail", {"action": "pause", "reason": "smtp is down"})
    pages.post("/ui/schedules/nightly", {"action": "pause", "reason": "password=hunter2"})
    for path in ("audit", "schedules", "schedules/nightly"):
        assert "hunter2" not in pages.get(f"/ui/{path}").text
    pages.post(f"/ui/jobs/{filled.queued[0]}", {"action": "cancel"})
    pages.post(f"/ui/jobs/{filled.succeeded[0]}", {"action": "cancel"})
    seen = Seen(pages.get("/ui/audit").text)
    for words in ("pause queue", "smtp is down", "cancel job", "refused 409", "done 200", "local"):
        assert words in seen.words
    assert "./queues/mail" in seen.links
    assert f"./jobs/{filled.queued[0]}" in seen.links
    assert pages.get("/ui/audit?action=pause_queue").text.count('<tr id="entry-') == 1
    assert "No change matches" in Seen(pages.get("/ui/audit?actor=nobody").text).words
    for wrong in ("cursor=x", "nonsense=1"):
        assert pages.get(f"/ui/audit?{wrong}").status_code == 422


def test_the_audit_goes_on_page_by_page(shop: App, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgflow.plugins.admin.pages import audit

    monkeypatch.setattr(audit, "LIMIT", 2)
    for name in "abc":
        pages.post(f"/ui/queues/{name}", {"action": "pause"})
    first = pages.get("/ui/audit")
    [following] = [link for link in Seen(first.text).links if "cursor=" in link]
    assert "/queues/a/pause" in pages.get(str(first.url.join(following))).text


def test_the_audit_is_for_those_with_the_scope_admin(
    make_app: Callable[..., App], pages_of: Callable[..., Pages]
) -> None:
    app = make_app(auth={"tokens": {"reader": {"token": "reader-token", "scopes": ["read"]}}})
    pages = pages_of(app)
    pages.post("/ui/sign-in", {"token": "reader-token", "next": ""})
    page = pages.get("/ui/queues")
    assert page.status_code == 200
    assert "./audit" not in Seen(page.text).links
    assert pages.get("/ui/audit").status_code == 403
    posts = {form.action.rpartition("/")[2] for form in Seen(page.text).forms if form.method == "post"}
    assert posts == {"theme", "sign-out"}


def test_a_resource_leads_to_its_page_where_it_has_one() -> None:
    assert leads_to("/queues/mail/pause") == "queues/mail"
    assert leads_to("/jobs/01a2/cancel") == "jobs/01a2"
    assert leads_to("/schedules/task:a.b/run") == "schedules/task:a.b"
    for none in ("/jobs/bulk", "/dlq/replay", "/jobs", "/queues/a b/pause", "/queues/../x", "//evil", "/jobs/x\n"):
        assert leads_to(none) is None


# links from everywhere


def test_names_of_queues_and_workers_lead_to_their_pages(filled: Scenery, pages: Pages) -> None:
    overview = Seen(pages.get("/ui/").text).links
    assert {"./queues/exports", "./queues/billing", f"./workers/{scenery.LOST_WORKER}"} <= set(overview)
    job = Seen(pages.get(f"/ui/jobs/{filled.showcase}").text).links
    assert {"../queues/mail", f"../workers/{scenery.WORKER}"} <= set(job)
    assert "./queues/mail" in Seen(pages.get("/ui/jobs?queue=mail").text).links


@pytest.mark.parametrize("path", ["queues", "queues/mail", "workers", "schedules", "schedules/nightly", "decisions"])
def test_every_link_of_a_page_leads_to_a_page_that_is_there(filled: Scenery, pages: Pages, path: str) -> None:
    page = pages.get(f"/ui/{path}")
    links = {str(page.url.join(link)) for link in Seen(page.text).links if link.startswith((".", "../"))}
    for link in links:
        if "/ui/" in link:
            assert (link, pages.get(link).status_code) == (link, 200)


# rights


def test_forms_are_offered_to_those_who_may_and_refused_to_others(
    make_app: Callable[..., App], pages_of: Callable[..., Pages], db: Any
) -> None:
    tokens = {name: {"token": f"{name}-token", "scopes": scopes} for name, scopes in (
        ("reader", ["read"]), ("operator", ["read", "operate"]),
    )}  # fmt: skip
    app = make_app(auth={"tokens": tokens})
    scenery.declare(app)
    scenery.build(app, db)
    forms = (
        ("queues/mail", "pause"), ("queues/billing", "resume"), ("queues/mail", "limits"),
        ("schedules/nightly", "pause"), ("schedules/warm-up", "resume"), ("schedules/nightly", "run"),
    )  # fmt: skip
    for name, may in (("reader", False), ("operator", True)):
        pages = pages_of(app)
        pages.post("/ui/sign-in", {"token": f"{name}-token", "next": ""})
        for path, action in forms:
            buttons = [button for form in Seen(pages.get(f"/ui/{path}").text).forms for button in form.buttons]
            assert (path, ("action", action) in buttons) == (path, may)
        for path, action in forms:
            answer = pages.post(f"/ui/{path}", {"action": action, "max_in_flight": "5"})
            assert (path, action, answer.status_code) == (path, action, 303 if may else 403)
