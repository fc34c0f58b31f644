"""The pages in Debian's chromium: each page and action, keys, a phone, dark, no scripts, a prefix, and hostile data."""

from __future__ import annotations

import itertools
import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import scenery
from browsing import PHONE, PLACES, House, Tab, faults_of, ready
from test_pages_security import _hostile

import moves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = Path("/usr/bin/chromium")
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium: apt-get install chromium")

HALVES = 2
TOKEN = "a-token-of-the-browser"  # noqa: S105 - it opens nothing else


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One chromium for all tests."""
    with playwright_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def make_house(browser: Any, pgflow_server_url: str, pgflow_template: str) -> Iterator[Callable[..., House]]:
    """Make houses that stand until the last test."""
    with ExitStack() as stack:
        yield lambda **settings: House(stack, browser, pgflow_server_url, pgflow_template, **settings)


@pytest.fixture(scope="module")
def house(make_house: Callable[..., House]) -> House:
    """A shop nobody changes."""
    return make_house()


@pytest.fixture(scope="module")
def busy(make_house: Callable[..., House]) -> House:
    """A shop that tests change."""
    return make_house()


def _is_expected(text: str) -> bool:
    return "404 (Not Found)" in text


@pytest.mark.parametrize("nth", range(HALVES))
def test_each_page_is_sound_in_light_and_dark_and_on_a_phone(house: House, nth: int) -> None:
    found = {}
    with Tab(house) as tab:
        for place in [*PLACES][nth::HALVES]:
            faults = faults_of(tab, house.path(place))
            faults["wrong"] = [one for one in tab.wrong if not (place == "nothing" and _is_expected(one))]
            tab.wrong.clear()
            found[place] = {name: fault for name, fault in faults.items() if fault}
    assert {place: faults for place, faults in found.items() if faults} == {}


def test_keys_lead_everywhere(house: House) -> None:
    with Tab(house) as tab:
        page = tab.page
        ready(page, house.path("overview"))
        for key, end in (
            ("d", "/ui/dead"), ("j", "/ui/jobs"), ("q", "/ui/queues"), ("w", "/ui/workers"), ("s", "/ui/schedules"),
            ("c", "/ui/decisions"), ("a", "/ui/audit"), ("o", "/ui/"),
        ):  # fmt: skip
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(re.compile(f"{end}$"))
        page.keyboard.press("/")
        page.wait_for_url(re.compile("/ui/jobs$"))
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.type("j k x r ?")
        assert page.input_value("#q") == "j k x r ?", "where one writes, keys are letters"
        page.keyboard.press("Escape")
        for key in "jjk":
            page.keyboard.press(key)
        first = page.locator("tbody tr").first
        assert first.get_attribute("data-at") == ""
        page.keyboard.press("x")
        assert page.locator("[data-picked]").inner_text() == "1 selected"
        page.keyboard.press("j")
        page.keyboard.press("x")
        assert page.locator("[data-picked]").inner_text() == "2 selected"
        page.keyboard.press("x")
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/ui/jobs/[0-9a-f-]{36}$"))
        assert tab.wrong == []


def test_r_replays_a_job_a_row_and_a_group_and_asks_first(house: House) -> None:
    with Tab(house) as tab:
        page = tab.page
        ready(page, house.path("job dead"))
        page.keyboard.press("r")
        page.wait_for_url(re.compile("/replay$"))
        ready(page, house.path("letters"))
        page.keyboard.press("j")
        page.keyboard.press("r")
        page.wait_for_url(re.compile("/jobs/bulk$"))
        assert "Replay 1 job" in page.locator("h1").inner_text()
        ready(page, house.path("dead"))
        page.keyboard.press("j")
        page.keyboard.press("r")
        page.wait_for_url(re.compile("/dead/replay$"))
        assert moves.count(house.db, "jobs where replay_of is not null") == 0


def test_many_are_picked_by_a_range_and_all_at_once(house: House) -> None:
    with Tab(house) as tab:
        page = tab.page
        ready(page, house.path("jobs"))
        boxes = page.locator("[data-pick]")
        boxes.nth(1).click()
        boxes.nth(4).click(modifiers=["Shift"])
        assert page.locator("[data-picked]").inner_text() == "4 selected"
        page.locator("[data-all]").check()
        assert page.locator("[data-picked]").inner_text() == "12 selected"
        page.locator("[name=which][value=matching]").check()
        assert "the next page counts them" in page.locator("[data-picked]").inner_text()


def test_charts_are_drawn_and_follow_the_pointer(house: House) -> None:
    scenery.draw_stats(house.db, steps=400)
    with Tab(house) as tab:
        page = tab.page
        ready(page, house.path("overview"))
        page.wait_for_selector(".chart canvas")
        assert page.locator(".chart canvas").count() == 3
        page.locator(".chart .u-over").first.hover()
        assert "ended" in page.locator(".chart .tip").first.inner_text()
        assert tab.wrong == []


def test_from_something_is_wrong_to_a_safe_replay(busy: House) -> None:
    """The way of somebody on call: overview, error, job, line, group, count, replay."""
    with Tab(busy) as tab:
        page = tab.page
        ready(page, busy.path("overview"))
        page.get_by_role("link", name="TypeError: cannot multiply NoneType").first.click()
        page.wait_for_url(re.compile("dead/list"))
        page.locator("[data-open]").first.click()
        assert "templates.py:17" in page.locator(".where").inner_text()
        page.locator(".where").click()
        assert page.locator("#fails").is_visible()
        page.get_by_role("link", name="12 dead letters of this error").click()
        assert page.locator("tr[id^=job-]").count() == 12
        page.get_by_role("link", name="By error").click()
        page.locator("#live li", has_text="cannot multiply").get_by_role("button", name="10…").click()
        assert "Replay 10 dead letters" in page.locator("h1").inner_text()
        page.fill("#rate", "5")
        page.get_by_role("button", name="Replay 10 dead letters").click()
        assert "Replayed 10 dead letters" in page.locator("h1").inner_text()
        assert moves.count(busy.db, "jobs where replay_of is not null") == 10
        assert tab.wrong == []


def test_a_job_is_replayed_with_other_arguments(busy: House) -> None:
    with Tab(busy) as tab:
        page = tab.page
        ready(page, busy.path("replay"))
        given = json.loads(page.input_value("#kwargs"))
        page.fill("#kwargs", json.dumps({**given, "locale": "fr"}, indent=2))
        page.get_by_role("button", name="Compare…").click()
        assert '"fr"' in page.locator(".diff-new").inner_text()
        lines = [line.bounding_box() for line in page.locator(".diff span").all()]
        assert all(one["y"] + one["height"] <= two["y"] + 1 for one, two in itertools.pairwise(lines)), (
            "one below another"
        )
        page.get_by_role("button", name="Change").click()
        assert '"fr"' in page.input_value("#kwargs"), "what was written is still there"
        page.get_by_role("button", name="Compare…").click()
        page.get_by_role("button", name="Replay").click()
        page.wait_for_url(re.compile("did=replayed"))
        assert "Replayed: this is the new job." in page.locator(".note").inner_text()
        assert page.locator(".family li").count() == 2
        assert tab.wrong == []


def test_a_job_is_cancelled_and_what_is_masked_is_shown(busy: House) -> None:
    with Tab(busy) as tab:
        page = tab.page
        ready(page, f"{busy.url}ui/jobs/{busy.made.queued[1]}")
        assert "sk-live" not in page.content()
        page.get_by_role("button", name="Show what is masked").click()
        assert "sk-live-831" in page.content()
        page.get_by_role("link", name="Mask it again").click()
        page.get_by_role("button", name="Cancel").click()
        page.wait_for_url(re.compile("did=cancelled"))
        assert "cancelled" in page.locator(".job-head .state").inner_text()
        assert tab.wrong == []


def test_queues_schedules_and_workers_are_looked_at_and_acted_on(busy: House) -> None:
    """From an alarm to the queue, its pause, its limits; a schedule by hand; and all of it in the audit."""
    with Tab(busy) as tab:
        page = tab.page
        ready(page, busy.path("overview"))
        page.get_by_role("link", name="Queue billing is paused").click()
        page.get_by_role("button", name="Resume").click()
        assert "Resumed" in page.locator(".note").inner_text()
        page.fill("#reason", "the bank is closed")
        page.get_by_role("button", name="Pause the queue").click()
        assert "the bank is closed" in page.locator("#stands").inner_text()
        page.fill("#limit-max_in_flight", "many")
        page.get_by_role("button", name="Set the limits").click()
        assert page.get_attribute("#limit-max_in_flight", "aria-invalid") == "true"
        page.fill("#limit-max_in_flight", "7")
        page.get_by_role("button", name="Set the limits").click()
        page.wait_for_url(re.compile("did="))
        assert page.input_value("#limit-max_in_flight") == "7"
        ready(page, busy.path("schedules"))
        page.get_by_role("button", name="Run now: nightly").click()
        assert "Made now: this is the new job." in page.locator(".note").inner_text()
        ready(page, busy.path("workers"))
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"/workers/{scenery.LOST_WORKER}$"))
        ready(page, busy.path("decisions"))
        page.wait_for_selector(".chart canvas")
        page.get_by_role("link", name="Jobs put off").click()
        page.locator(".reasons a", has_text="OFF_HOURS").click()
        page.wait_for_url(re.compile("reason_code=OFF_HOURS"))
        assert page.locator("tr[id^=decision-]").count() == 1
        ready(page, busy.path("audit"))
        said = page.locator("table.audit").inner_text()
        assert all(words in said for words in ("pause queue", "the bank is closed", "resume queue", "run schedule"))
        page.locator("table.audit a", has_text="pause queue").first.click()
        page.wait_for_url(re.compile("/queues/billing$"))
        assert [one for one in tab.wrong if "422 (Unprocessable" not in one] == []


def test_on_a_phone_the_navigation_shows_where_one_is(house: House) -> None:
    with Tab(house, viewport=PHONE) as tab:
        ready(tab.page, house.path("audit"))
        box = tab.page.locator(".nav [aria-current]").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert tab.page.evaluate("window.scrollY") == 0


def test_the_overview_is_live_and_nothing_jumps(busy: House) -> None:
    with Tab(busy) as tab:
        page = tab.page
        ready(page, busy.path("overview"))
        page.wait_for_selector("[data-live-sign]:not([hidden]):not(.is-off)")
        page.keyboard.press("j")
        page.locator(".numbers summary").first.click()
        before = page.locator("#queues-title").bounding_box()
        moves.put(busy.app.pool, 500, queue="mail", task="shop.send_receipt")
        page.wait_for_function("() => Number(document.querySelector('.stat-value').textContent) > 500")
        after = page.locator("#queues-title").bounding_box()
        assert after == before
        assert page.locator(".dense").first.is_visible(), "what was unfolded stays so"
        assert page.locator("tr[data-at]").count() == 1, "and the row one stands on"
        assert page.locator("h1").inner_text() == "Overview"
        assert tab.wrong == []


def test_new_jobs_do_not_push_the_list_about(busy: House) -> None:
    with Tab(busy) as tab:
        page = tab.page
        ready(page, busy.path("jobs"))
        first = page.locator("tbody tr").first.get_attribute("id")
        moves.put(busy.app.pool, 3, queue="exports", task="shop.export_orders")
        page.wait_for_selector("[data-fresh]:not([hidden])")
        assert page.locator("tbody tr").first.get_attribute("id") == first
        assert page.locator("[data-fresh]").inner_text() == "Show 3 newer"
        page.locator("[data-fresh] a").click()
        assert page.locator("tbody tr").first.get_attribute("id") != first
        assert tab.wrong == []


def test_without_scripts_all_of_it_works(busy: House) -> None:
    with Tab(busy, java_script_enabled=False) as tab:
        page = tab.page
        for place in PLACES:
            answer = page.goto(busy.path(place))
            assert answer.status == (404 if place == "nothing" else 200)
        ready(page, busy.path("jobs"))
        page.locator(".filter-more > summary").click()
        page.fill("#f-queue", "exports")
        page.get_by_role("button", name="Apply").click()
        assert page.url.endswith("/ui/jobs?queue=exports")
        page.locator("[data-pick]").first.check()
        page.get_by_role("button", name="Cancel…").click()
        page.get_by_role("button", name="Cancel 1 job").click()
        assert "1 of 1 job" in page.locator("h1").inner_text()
        ready(page, busy.path("queue"))
        page.fill("#reason", "no scripts here")
        page.get_by_role("button", name="Pause the queue").click()
        assert "no scripts here" in page.locator("#stands").inner_text()
        page.get_by_role("button", name="Resume").click()
        page.goto(busy.path("schedule"))
        page.get_by_role("button", name="Pause the schedule").click()
        page.get_by_role("button", name="Resume").click()
        ready(page, busy.path("overview"))
        assert page.locator(".chart svg").count() == 3
        page.locator(".numbers summary").first.click()
        assert page.locator(".dense").first.is_visible()
        page.select_option("#theme", "dark")
        page.get_by_role("button", name="Set").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_under_a_prefix_every_link_and_form_stays_below_it(busy: House) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    class Outer(Starlette):
        def close(self) -> None:
            busy.asgi.close()

    url = busy.serve(Outer(routes=[Mount("/deep/down", busy.asgi)]))
    with Tab(busy) as tab:
        page = tab.page
        ready(page, f"{url}deep/down")
        page.wait_for_url(re.compile("/deep/down/ui/$"))
        page.wait_for_selector("[data-live-sign]:not([hidden]):not(.is-off)")
        page.get_by_role("link", name="Dead letters").first.click()
        page.locator("[data-open]").first.click()
        page.locator("[data-open]").first.click()
        page.get_by_role("link", name="Replay…").click()
        page.get_by_role("button", name="Compare…").click()
        page.get_by_role("button", name="Replay").click()
        page.wait_for_url(re.compile("/deep/down/ui/jobs/[0-9a-f-]{36}"))
        assert f"{url}deep/down/jobs" in page.locator("#curl").inner_text()
        page.locator(".nav a", has_text="Queues").click()
        page.locator("#queue-mail [data-open]").click()
        page.get_by_role("button", name="Pause the queue").click()
        page.get_by_role("button", name="Resume").click()
        page.wait_for_url(re.compile("/deep/down/ui/queues/mail"))
        for name in ("Workers", "Schedules", "Decisions", "Audit"):
            page.locator(".nav a", has_text=name).click()
            assert page.locator("h1").inner_text() == name
        assert [one for one in tab.asked if not one.startswith(f"{url}deep/down")] == []
        assert tab.wrong == []


def test_one_signs_in_once_and_out_again(make_house: Callable[..., House]) -> None:
    house = make_house(api_token=TOKEN)
    with Tab(house) as tab:
        page = tab.page
        ready(page, f"{house.url}ui/jobs?state=dead")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        assert "No token here is that one" in page.locator("[role=alert]").inner_text()
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/ui/jobs\?state=dead$"))
        [cookie] = tab.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/ui")
        ready(page, house.path("overview"))
        page.wait_for_selector("[data-live-sign]:not([hidden]):not(.is-off)")
        house.asgi._gate._door.sessions._open.clear()
        page.wait_for_selector("#token")  # an update that is refused shows the way in
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Sign out").click()
        assert "You are signed out" in page.locator(".note").inner_text()
        ready(page, house.path("overview"))
        assert page.locator("#token").is_visible()
        assert [one for one in tab.wrong if "401 (Unauthorized)" not in one] == []


def test_what_others_wrote_runs_nowhere(make_house: Callable[..., House]) -> None:
    house = make_house(admin={"read_only": False})
    ids = _hostile(house.app)
    with Tab(house) as tab:
        page = tab.page
        paths = ["", "jobs", "jobs?q=%3Cscript%3Ealert(3)%3C/script%3E&tag=%22%3E%3Cimg%20src=x%20onerror=alert(4)%3E"]
        paths += [f"jobs/{one}" for one in ids] + [
            f"jobs/{ids[0]}/replay",
            "dead",
            "dead/list",
            "jobs?worker=%27onload=alert(5)",
            *("queues", "queues/default", "workers", "workers/w1", "schedules", "schedules/hostile"),
            *("decisions", "decisions?reason_code=x", "audit", "audit?actor=%3Cimg%20src=x%20onerror=alert(6)%3E"),
        ]
        for path in paths:
            ready(page, f"{house.url}ui/{path}")
            page.wait_for_timeout(50)
        ready(page, house.path("overview"))
        page.wait_for_selector("[data-live-sign]:not([hidden])")
        page.wait_for_timeout(2_500)  # a live update puts hostile data in once more
        assert not [one for one in tab.asked if one.endswith(("/x", "ui/x", "/jobs/x"))]
        assert [one for one in tab.wrong if "422 (Unprocessable" not in one] == []
