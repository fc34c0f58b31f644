"""Writes the reference of hooks from their specs: what stands on the page is what the code says."""

from __future__ import annotations

import inspect
from typing import Final

from pgflow.hooks.loading import entry_point_plugins
from pgflow.hooks.specs import POLICIES, Policy, Specs

MARK: Final = "<!-- what follows is written by `nox -s docs` from the specs -->"
FAILS: Final = {
    Policy.START: "the start is refused",
    Policy.CLOSED: "refused: nothing passes",
    Policy.OPEN: "logged and counted; the work goes on",
}


def section() -> str:
    """Write the table of hooks and a section for each, in the order a job meets them."""
    users = _users()
    rows = [
        f"| [`{_signature(hook)}`](#{hook}) | {FAILS[policy]} | {', '.join(users[hook])} |"
        for hook, policy in POLICIES.items()
    ]
    table = ["| hook | if it fails | built-in users |", "| --- | --- | --- |", *rows]
    return "\n".join([*table, "", *(line for hook in POLICIES for line in _about(hook))])


def _about(hook: str) -> list[str]:
    spec = getattr(Specs, hook)
    first = getattr(spec, "pgflow_spec", {}).get("firstresult")
    kinds = ["The first answer that is not `None` counts."] if first else []
    returns = inspect.signature(spec).return_annotation
    gives = [] if returns == "None" else [f"Returns `{returns}`."]
    facts = " ".join([*gives, *kinds, f"If it fails: {FAILS[POLICIES[hook]]}."])
    return [f"### {hook}", "", f"`{_signature(hook)}`", "", inspect.getdoc(spec) or "", "", facts, ""]


def _signature(hook: str) -> str:
    return f"{hook}({', '.join(list(inspect.signature(getattr(Specs, hook)).parameters)[1:])})"


def _users() -> dict[str, list[str]]:
    # pgflow's own plugins, found as anyone's are
    users: dict[str, list[str]] = {hook: [] for hook in POLICIES}
    for found in entry_point_plugins():
        if found.distribution == "pgflow":
            kind = found.entry.load() if found.entry else None
            for hook in POLICIES:
                if hasattr(kind, hook):
                    users[hook].append(found.name)
    return users


def rewritten(page: str) -> str:
    """Give the page with everything behind the mark written anew."""
    return f"{page.partition(MARK)[0]}{MARK}\n\n{section()}"
