"""What a page is: its address, who answers it, and what it may answer with; values, and no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form


@dataclass(frozen=True, slots=True)
class Shown:
    """A template and what it is given."""

    template: str
    given: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another page to go to: its address below `/ui/`, with its query. `headers` may set a cookie."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)


Answered = Shown | Elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `path` is below `/ui/`, such as `jobs/{job_id}`; `show(desk)` answers GET, `act(desk, form)` POST.

    Both are called in a thread. A page with a `title` is in the navigation, where `key` (`g` and this letter) leads to
    it and `needs` names the endpoint without which it is left out, as for those who may not ask it. `is_open` needs no
    token.
    """

    path: str
    name: str
    show: Callable[[Desk], Answered] | None = None
    act: Callable[[Desk, Form], Answered] | None = None
    title: str | None = None
    icon: str = "dot"
    key: str | None = None
    needs: str | None = None
    is_open: bool = False
