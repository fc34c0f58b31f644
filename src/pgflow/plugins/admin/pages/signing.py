"""Signing in with a token and out again, and the choice of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgflow.admin import Credentials
from pgflow.plugins.admin.pages.desk import THEMES, safe_next
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown
from pgflow.plugins.admin.pages.sessions import cookie_header

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered


def ask_for_token(desk: Desk) -> Answered:
    """Show the form."""
    return _form(desk, safe_next(desk.param("next")))


def sign_in(desk: Desk, form: Form) -> Answered:
    """Let in whoever has a token, and remember it behind a cookie."""
    token, following = form.one("token").strip(" \t"), safe_next(form.one("next"))
    if not _is_known(desk, token):
        return _form(desk, following, failed=True)
    cookie = desk.sessions.open(token)
    header = cookie_header(cookie, seconds=desk.sessions.seconds, secure=desk.secure)
    return Elsewhere(following, {"set-cookie": header})


def sign_out(desk: Desk, _form: Form) -> Answered:
    """End the session here, not in the browser alone."""
    if desk.admitted.session is not None:
        desk.sessions.close(desk.admitted.session)
    gone = cookie_header("", seconds=0, secure=desk.secure)
    return Elsewhere("sign-in?did=signed-out", {"set-cookie": gone})


def choose_theme(_desk: Desk, form: Form) -> Answered:
    """Keep the colours that were chosen, for a year."""
    theme = form.one("theme") if form.one("theme") in THEMES else THEMES[0]
    header = f"pgflow_theme={theme}; Max-Age=31536000; SameSite=Lax"
    return Elsewhere(safe_next(form.one("next")), {"set-cookie": header})


def _is_known(desk: Desk, token: str) -> bool:
    hooks = desk.app.hooks
    if not token or not hooks.has("pgflow_authenticate"):
        return False
    given = Credentials({"x-api-key": token}, "GET", "/ui/", None, {})
    return hooks.authenticate(given) is not None


def _form(desk: Desk, following: str, *, failed: bool = False) -> Shown:
    given = {"base": desk.base, "next": following, "theme": desk.theme, "failed": failed, "comes_back": False}
    return Shown("sign_in.html", {**given, "problem": None, "note": desk.note}, 401 if failed else 200)


PAGES = (
    Page(path="sign-in", name="sign_in", show=ask_for_token, act=sign_in, is_open=True),
    Page(path="sign-out", name="sign_out", act=sign_out),
    Page(path="theme", name="theme", act=choose_theme),
)
