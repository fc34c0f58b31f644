"""A policy made of several: one for each class of errors, and one for the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Policy: TypeAlias = Callable[[int, BaseException], float | None]
"""Takes the failures so far, from 1, and the error; gives seconds until the next run, None to give up."""


@dataclass(frozen=True, slots=True)
class ByError:
    """Asks the policy of the error's own class, else that of the nearest class it derives from."""

    policies: Mapping[type[BaseException], Policy]
    otherwise: Policy

    def __call__(self, failures: int, error: BaseException) -> float | None:
        """Return the seconds until the next run, None to give up."""
        for kind in type(error).__mro__:
            policy = self.policies.get(kind)
            if policy is not None:
                return policy(failures, error)
        return self.otherwise(failures, error)
