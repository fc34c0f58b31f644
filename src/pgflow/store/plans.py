"""What hot statements have set: the plans they may not take, and the commit that may be forgotten."""

from __future__ import annotations

from typing import Final

# A pinned plan made on an empty table would scan or sort it for ever, so the plans that do are ruled out.
BY_INDEX: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}
LOOPS: Final = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
# The planner takes a flush for ten rows, and would join two thousand by two thousand in loops: 377 ms instead of 20.
HASHES: Final = {"enable_nestloop": "off"}
# After a crash of the server a claim may be forgotten and its jobs handed out again: the fence drops the first run.
RELAXED: Final = {"synchronous_commit": "off"}
