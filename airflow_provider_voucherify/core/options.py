"""The base of the frozen configurations: an option is declared, documented and checked once, where it is a field."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from airflow_provider_voucherify.core.docstrings import inherit_parameters
from airflow_provider_voucherify.core.validation import check_choice, check_number, check_switch, seconds_of


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """
    A set of options. Each field is one, and its annotation says what values it accepts.

    ``Literal`` is a fixed set of values, ``bool`` True or False, ``int`` and ``float`` numbers, with
    ``Annotated[int, msgspec.Meta(ge=1)]`` for a smallest one, and ``float | timedelta`` a duration, which becomes
    seconds. ``None`` is accepted where the annotation has it. Other types are left to the ``__post_init__`` of the
    subclass, which calls this one first. The ``:param`` lines of a class document the options that it declares; those
    of its subclasses and operators get them from there.

    :raises ConfigurationError: if a value is not accepted, naming the option and what it accepts.
    """

    def __init_subclass__(cls) -> None:
        """Add the options of the bases to the docstring, unless the class documents them itself."""
        super().__init_subclass__()
        inherit_parameters(cls)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if (checked := self.check_option(name, value)) is not value:
                msgspec.structs.force_setattr(self, name, checked)

    @classmethod
    def check_option(cls, name: str, value: Any) -> Any:
        """
        Check one option by its annotation.

        :param name: The name of the option.
        :param value: Its value.
        :return: The value; a duration in seconds.
        :raises ConfigurationError: if the value is not accepted.
        """
        return _check(name, value, _annotations(cls)[name])

    def changed(self) -> dict[str, Any]:
        """Map the options that differ from their defaults to their values."""
        return {
            field.name: value
            for field in msgspec.structs.fields(type(self))
            if (value := getattr(self, field.name))
            != (None if field.required else self.check_option(field.name, _default(field)))
        }

    @classmethod
    def accepts_text(cls, name: str) -> bool:
        """
        Return whether an option can be text, so that text given for it is not JSON of something else.

        :param name: The name of the option.
        """
        return any(kind is str or get_origin(kind) is Literal for kind in _alternatives(_annotations(cls)[name]))

    @classmethod
    def parameters(cls) -> list[inspect.Parameter]:
        """List the options as keyword parameters, with their defaults and annotations."""
        annotations = _annotations(cls)
        return [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.required else _default(field),
                annotation=annotations[field.name],
            )
            for field in msgspec.structs.fields(cls)
        ]


class PollingOptions(Options, frozen=True, kw_only=True):
    """
    The options of every job.

    :param poll_interval: The longest time between two polls, in seconds or as a timedelta; the first ones come sooner.
    """

    poll_interval: float | timedelta = 30.0

    @property
    def poll_seconds(self) -> float:
        """The longest time between two polls, in seconds."""
        return seconds_of("poll_interval", self.poll_interval)


@cache
def _annotations(cls: type[Options]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _check(name: str, value: Any, annotation: Any) -> Any:
    accepted = _alternatives(annotation)
    if value is None and type(None) in accepted:
        return value
    kinds = [kind for kind in accepted if kind is not type(None)]
    literals = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if isinstance(value, Mapping) and any(get_origin(kind) is Mapping for kind in kinds):
        return value
    if literals:
        check_choice(name, value, [None, *literals] if type(None) in accepted else literals)
    elif timedelta in kinds:
        return seconds_of(name, value)
    elif kinds == [bool]:
        check_switch(name, value)
    elif len(kinds) == 1 and (number := _number(kinds[0])):
        kind, minimum = number
        check_number(name, value, minimum, whole=kind is int)
    return value


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [part for alternative in get_args(annotation) for part in _alternatives(alternative)]
    return [annotation]


def _number(annotation: Any) -> tuple[type, float | None] | None:
    kind, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if kind not in (int, float):
        return None
    bounds = [note.ge for note in notes if isinstance(note, msgspec.Meta) and note.ge is not None]
    return kind, max(bounds, default=None)
