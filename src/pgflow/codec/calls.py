"""Whether arguments fit a function: asked once for each shape of call, and remembered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Signature
from typing import Any, Final

from pgflow.errors import ArgumentError

SHAPES_MAX: Final = 256  # a function of **keywords has shapes without end


class CallCheck:
    """Says whether a call fits a signature: a third of a microsecond for a shape seen before, ten for a new one.

    A shape is the number of positional arguments and the names of the others: nothing else decides.
    """

    def __init__(self, signature: Signature, name: str) -> None:
        self.name = name
        self.signature = signature.replace(return_annotation=Signature.empty)
        self._fitting: set[tuple[object, ...] | int] = set()

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Let a call pass. Raises `ArgumentError` naming the task, its signature and the misfit."""
        shape = (len(args), *kwargs) if kwargs else len(args)
        if shape in self._fitting:
            return
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            msg = f"{self.name}{self.signature}: {error}"
            raise ArgumentError(msg) from None
        if len(self._fitting) < SHAPES_MAX:
            self._fitting.add(shape)


def signature_of(function: Callable[..., object], *, skip_first: bool) -> Signature:
    """Return a function's signature as its callers see it: without the context of a bound task."""
    signature = inspect.signature(function)
    if not skip_first:
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])
