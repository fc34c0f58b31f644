"""What a parameter's annotation asks of a JSON value: nothing, or a conversion by pydantic."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from functools import cached_property
from inspect import Parameter, Signature, unwrap
from typing import Any, Final, Literal, NewType, ParamSpec, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from pgflow.errors import TaskDefinitionError

_NATIVE: Final = frozenset({int, str, float, bool, None, type(None), list, dict, Any, object, Parameter.empty})
_NATIVE_GENERICS: Final = frozenset(
    {list, dict, Union, types.UnionType, Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence}
)


class Converter:
    """Turns a JSON value into what one parameter is annotated with; the adapter is made at the first value."""

    def __init__(self, parameter: Parameter, annotation: Any) -> None:
        self.name = parameter.name
        self._annotation = annotation
        self._takes_none = parameter.default is None

    def __call__(self, value: object) -> object:
        """Return the converted value. Raises pydantic's `ValidationError`, or `TaskDefinitionError`."""
        if value is None and self._takes_none:
            return None
        return self._adapter.validate_python(value, by_alias=True, by_name=True)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        try:
            return TypeAdapter(self._annotation)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            msg = f"parameter {self.name} is annotated {self._annotation!r}, which JSON cannot give back: {error}"
            raise TaskDefinitionError(msg) from error


def converter_of(parameter: Parameter, annotation: Any) -> Converter | None:
    """Return what converts a parameter's values; None where JSON gives them back by itself."""
    return None if is_native(annotation) else Converter(parameter, annotation)


def is_native(annotation: Any) -> bool:
    """Say whether JSON gives values of this annotation back by itself."""
    if isinstance(annotation, NewType):
        return is_native(annotation.__supertype__)
    if isinstance(annotation, TypeVar | typing.ParamSpecArgs | typing.ParamSpecKwargs | ParamSpec):
        return True
    origin = get_origin(annotation)
    if origin is None:
        return isinstance(annotation, type | types.NoneType | type(Any)) and annotation in _NATIVE
    if origin is Literal:
        return all(type(word) in (str, int, bool, types.NoneType) for word in get_args(annotation))
    return origin in _NATIVE_GENERICS and all(is_native(part) for part in get_args(annotation))


def resolve(function: Callable[..., Any], signature: Signature, task: str) -> dict[str, Any]:
    """Return the annotations of a signature's parameters, the texts among them evaluated.

    Raises `TaskDefinitionError` where a name in one is not defined where the function is.
    """
    scope = getattr(unwrap(function), "__globals__", {})
    hints: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        shim = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        try:
            hints.update(typing.get_type_hints(shim, scope, include_extras=True))
        except NameError as error:
            msg = (
                f"{task}: the annotation {parameter.annotation!r} of {parameter.name} cannot be read: {error}; "
                "import or define it in the module, outside `if TYPE_CHECKING` and outside functions"
            )
            raise TaskDefinitionError(msg) from None
    return hints
