"""One action on many jobs: first a page that counts and says what it would do, then the deed and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pgflow import JobNotFoundError
from pgflow.admin import Problem, look, parse_id
from pgflow.plugins.admin.api.bulk import FITTING
from pgflow.plugins.admin.pages.filters import body_of, pairs_of
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

SAID: Final = {
    "cancel": ("Cancel", "They do not run, or are ended where they run. Each can be replayed."),
    "retry": ("Run now", "Dead jobs get one more failure allowed; scheduled and retrying ones run at once."),
    "replay": ("Replay", "Each dead letter becomes a new job with the same arguments, once."),
    "discard": ("Discard", "Each dead letter is closed. The job and its history stay on record."),
}
MATCHING: Final = "matching"
AT_ONCE: Final = 500


def act(desk: Desk, form: Form) -> Answered:
    """Count first; with `confirm`, do it."""
    action = form.one("action")
    if action not in SAID:
        raise Problem(422, "INVALID_VALUE", "choose an action", pointer="/action")
    is_filter = form.one("which") == MATCHING
    if not is_filter and not form.all("id"):
        return Shown("bulk_none.html", {"action": action}, 422)
    if form.one("confirm"):
        return _done(desk, form, action, is_filter=is_filter)
    given = _of_filter(desk, form, action) if is_filter else _of_ids(desk, form.all("id"), action)
    return Shown("bulk.html", {"action": action, "said": SAID[action], "which": form.one("which"), **given})


def _of_filter(desk: Desk, form: Form, action: str) -> dict[str, Any]:
    pairs = pairs_of(form)
    told = desk.ask("bulk_jobs", body={"action": action, "filter": body_of(pairs), "dry_run": True})
    carried = [(name, value) for name, value in form.filled() if name.startswith("f.")]
    return {
        "fitting": told.matched, "left_out": [], "more": told.more, "pairs": pairs, "carried": carried,
        "confirm": told.matched, "back": desk.to("jobs", **dict(pairs)), "sample": [],
    }  # fmt: skip


def _of_ids(desk: Desk, ids: list[str], action: str) -> dict[str, Any]:
    if not desk.may("bulk_jobs"):
        desk.ask("bulk_jobs", body={"action": action, "ids": ids, "dry_run": True})  # says what is missing
    known = _known(ids)
    rows = [
        row
        for first in range(0, len(known), AT_ONCE)
        for row in desk.app.reads.run(look.describe(known[first : first + AT_ONCE]))
    ]
    fit = [row for row in rows if row.state in FITTING[action]]
    others = Counter(row.state.value for row in rows if row.state not in FITTING[action])
    return {
        "fitting": len(fit), "left_out": sorted(others.items()), "more": False, "pairs": [],
        "carried": [("id", row.id) for row in fit], "confirm": len(fit), "back": desk.to("jobs"), "sample": fit[:10],
    }  # fmt: skip


def _done(desk: Desk, form: Form, action: str, *, is_filter: bool) -> Shown:
    body: dict[str, Any] = {"action": action}
    if is_filter:
        body |= {"filter": body_of(pairs_of(form)), "confirm": _count(form.one("confirm"))}
    else:
        body |= {"ids": form.all("id")}
    told = desk.ask("bulk_jobs", body=body)
    results = Counter(item.result for item in told.items)
    given = {"action": action, "said": SAID[action], "told": told, "results": results.most_common()}
    return Shown("bulk_done.html", {**given, "items": told.items[:200]})


def _known(ids: list[str]) -> list[str]:
    try:
        return list(dict.fromkeys(parse_id(one) for one in ids))
    except JobNotFoundError as error:
        raise Problem(422, "NOT_AN_ID", str(error), pointer="/ids") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Problem(422, "INVALID_VALUE", "confirm must be the count that was shown", pointer="/confirm")
    return int(text[:9])


PAGES = (Page(path="jobs/bulk", name="bulk", show=lambda _desk: Elsewhere("jobs"), act=act),)
