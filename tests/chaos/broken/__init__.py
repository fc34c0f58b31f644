"""Each rule of the store and the worker broken on purpose, and the tests that have to notice.

A mutant is a small change after which jobs are lost, doubled or held up. Where no test fails, the rule it breaks is
not tested.
"""

from __future__ import annotations

from typing import Final

from chaos.broken.claims import CLAIMS
from chaos.broken.driving import DRIVING
from chaos.broken.enqueues import ENQUEUES
from chaos.broken.outcomes import OUTCOMES
from chaos.broken.upkeep import UPKEEP

ALL: Final = (*OUTCOMES, *CLAIMS, *DRIVING, *ENQUEUES, *UPKEEP)
