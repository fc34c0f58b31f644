"""Write the generated part of the reference of hooks: `python docs/write_hooks.py`."""

from __future__ import annotations

from pathlib import Path

from pgflow.hooks.reference import rewritten

PAGE = Path(__file__).parent / "reference" / "hooks.md"

if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text("utf-8")), "utf-8")
