"""JSON text back to arguments, typed as the function is annotated; plain annotations cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from pgflow.codec.annotations import Converter, converter_of, resolve
from pgflow.codec.calls import CallCheck
from pgflow.codes import ErrorCode
from pgflow.errors import ArgumentError, JobError


class BadPayloadError(JobError):
    """Stored arguments that do not fit the task; another run would not help."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.BAD_PAYLOAD, message, retryable=False)


class Decoder:
    """Gives a task's arguments back. Built once per function; looks at annotations at the first call.

    Parameters annotated with what JSON holds anyway (int, str, float, bool, None, Any, lists and dicts of
    them) are handed over as they were stored, unchecked. All others are validated and converted by pydantic.
    """

    def __init__(self, function: Callable[..., Any], signature: Signature, check: CallCheck) -> None:
        self._function = function
        self._signature = signature
        self._check = check
        self._converters: _Converters | None = None

    def decode(self, args_text: str | None, kwargs_text: str | None) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the keyword arguments.

        Raises `BadPayloadError` where they do not fit, `TaskDefinitionError` where an annotation has no meaning here.
        """
        args: list[Any] = self._load(args_text, "args", list) if args_text else []
        kwargs: dict[str, Any] = self._load(kwargs_text, "kwargs", dict) if kwargs_text else {}
        try:
            self._check(args, kwargs)
        except ArgumentError as error:
            raise BadPayloadError(str(error)) from None
        converters = self._converters
        if converters is None or not converters.is_empty:
            self._convert(args, kwargs)
        return args, kwargs

    def _load(self, text: str, what: str, kind: type) -> Any:
        try:
            value = from_json(text, allow_inf_nan=False)  # a fifth of the time of json.loads
        except ValueError as error:
            msg = f"{self._check.name}: the stored {what} are no JSON: {error}"
            raise BadPayloadError(msg) from None
        if not isinstance(value, kind):
            msg = f"{self._check.name}: the stored {what} are {type(value).__name__}, not {kind.__name__}"
            raise BadPayloadError(msg)
        return value

    def _convert(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        converters = self._converters
        if converters is None:
            hints = resolve(self._function, self._signature, self._check.name)
            converters = self._converters = _Converters(self._signature, hints)
        for index, value in enumerate(args):
            if convert := converters.at(index):
                args[index] = self._apply(convert, value)
        for name, value in kwargs.items():
            if convert := converters.named(name):
                kwargs[name] = self._apply(convert, value)

    def _apply(self, convert: Converter, value: object) -> object:
        try:
            return convert(value)
        except ValidationError as error:
            msg = f"{self._check.name}: {_explain(convert.name, error)}"
            raise BadPayloadError(msg) from None


class _Converters:
    """The converters of one signature, found by place and by name."""

    def __init__(self, signature: Signature, hints: dict[str, Any]) -> None:
        placed: list[Converter | None] = []
        self._by_name: dict[str, Converter] = {}
        self._rest = self._others = None
        for parameter in signature.parameters.values():
            converter = converter_of(parameter, hints.get(parameter.name, Parameter.empty))
            if parameter.kind is Parameter.VAR_POSITIONAL:
                self._rest = converter
            elif parameter.kind is Parameter.VAR_KEYWORD:
                self._others = converter
            else:
                self._place(parameter, converter, placed)
        self._placed = tuple(placed)
        self._names = frozenset(signature.parameters)
        self.is_empty = not (any(placed) or self._by_name or self._rest or self._others)

    def _place(self, parameter: Parameter, converter: Converter | None, placed: list[Converter | None]) -> None:
        if parameter.kind is not Parameter.KEYWORD_ONLY:
            placed.append(converter)
        if converter is not None and parameter.kind is not Parameter.POSITIONAL_ONLY:
            self._by_name[parameter.name] = converter

    def at(self, index: int) -> Converter | None:
        return self._placed[index] if index < len(self._placed) else self._rest

    def named(self, name: str) -> Converter | None:
        return self._by_name.get(name) or (None if name in self._names else self._others)


def _explain(parameter: str, error: ValidationError) -> str:
    # without the input: it may be a secret, and error messages are stored and shown
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{parameter}{place}: {first['msg']}{more}"
