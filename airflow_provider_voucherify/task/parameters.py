"""The parameters of operators and sensor: options of the engines, checked as early as their values are known."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any, TypeVar

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.core.docstrings import parameters_of
from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.core.validation import TEMPLATE_MARKS
from airflow_provider_voucherify.exceptions import ConfigurationError

JSON_FILES = (".json",)
_FIRST_OTHER_FIELD = "\n:raises"

AnyPath = str | PurePath | ObjectStoragePath
OptionsT = TypeVar("OptionsT", bound=Options)


def is_templated(value: Any) -> bool:
    """
    Return whether a value, or a part of it, is known only at run time: a template, or a file in its place.

    :param value: The value in the DAG file.
    """
    if isinstance(value, str):
        return value.endswith(JSON_FILES) or any(mark in value for mark in TEMPLATE_MARKS)
    if isinstance(value, Mapping):
        return any(is_templated(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(is_templated(part) for part in value)
    # Airflow's ResolveMixin, which lies elsewhere in each version: XComArg, MappedArgument, literal() and others
    return hasattr(value, "iter_references") and hasattr(value, "resolve")


def takes_options(
    *groups: type[Options], fixed: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Decorate the ``__init__`` of an operator so that it takes the options of an engine as parameters.

    The signature has each option with its default and annotation, so that ``default_args``, ``partial()`` and tools
    that inspect it find them. Each becomes an attribute of the same name, and is checked when the DAG is parsed unless
    it is a templated field with a template in it. The class must be an :class:`OptionsMixin`.

    :param groups: The configuration classes.
    :param fixed: The values of options that the operator decides itself: they are attributes, and no parameters.
    """
    decided = fixed or {}

    def decorate(init: Callable[..., None]) -> Callable[..., None]:
        options = {
            parameter.name: (group, parameter)
            for group in groups
            for parameter in group.parameters()
            if parameter.name not in decided
        }
        signature = inspect.signature(init)
        own = [given for given in signature.parameters.values() if given.kind is not inspect.Parameter.VAR_KEYWORD]
        rest = [given for given in signature.parameters.values() if given.kind is inspect.Parameter.VAR_KEYWORD]

        @functools.wraps(init)
        def init_with_options(self: Any, *args: Any, **kwargs: Any) -> None:
            self._given_options = kwargs.keys() & options.keys()
            values = {
                name: kwargs.pop(name, parameter.default)
                for name, (_, parameter) in options.items()
                if name in kwargs or parameter.default is not inspect.Parameter.empty
            }
            for name, value in values.items():
                if name not in self.template_fields or not is_templated(value):
                    options[name][0].check_option(name, value)
                setattr(self, name, value)
            for name, value in decided.items():
                setattr(self, name, value)
            init(self, *args, **kwargs)

        init_with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *(parameter for _, parameter in options.values()), *rest]
        )
        init_with_options.option_groups = groups  # type: ignore[attr-defined]
        init_with_options.options = frozenset(options)  # type: ignore[attr-defined]
        return init_with_options

    return decorate


class OptionsMixin:
    """An operator whose ``__init__`` is decorated with :func:`takes_options`."""

    template_fields: Sequence[str]
    _given_options: Set[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        init = cls.__dict__.get("__init__")
        groups: tuple[type[Options], ...] = getattr(init, "option_groups", ())
        options: frozenset[str] = getattr(init, "options", frozenset())
        if groups and cls.__doc__:
            templated = set(getattr(cls, "template_fields", ()))
            lines = [
                f"{text} (templated)" if name in templated else text
                for group in groups
                for name, text in parameters_of(group).items()
                if name in options
            ]
            docstring, other_field, end = inspect.cleandoc(cls.__doc__).partition(_FIRST_OTHER_FIELD)
            cls.__doc__ = "\n".join([docstring.rstrip(), *lines]) + other_field + end + "\n"

    def _options(self, group: type[OptionsT]) -> OptionsT:
        """
        Build a configuration from the parameters, at run time, when they are rendered.

        :param group: The configuration class.
        :raises ConfigurationError: if an option has a value that it does not accept.
        """
        values = {name: getattr(self, name) for name in group.__struct_fields__}
        for name in values.keys() & set(self.template_fields):
            if not group.accepts_text(name):
                values[name] = from_json(name, values[name])
        return group(**values)


def from_json(name: str, value: Any) -> Any:
    """
    Read a parameter that may be JSON text, as the result of a template or the content of a file.

    :param name: The name of the parameter.
    :param value: Its value at run time.
    :return: The value; unchanged if it is not text.
    :raises ConfigurationError: if it is text but not JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value.encode())  # native rendering makes it a Markup, which msgspec does not accept
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{name} is text that is not valid JSON ({error}): {value!r:.80}. Give the value itself, or end its "
            "template with '| tojson'."
        ) from None


def listed(name: str, value: Any) -> list[Any]:
    """
    Read a parameter that is one value or a list of them.

    :param name: The name of the parameter.
    :param value: Its value at run time: one, a list, or a list as JSON text.
    """
    if isinstance(value, str) and value.startswith('["'):
        value = from_json(name, value)
    return list(value) if isinstance(value, list | tuple) else [value]


def text_of(value: Any) -> Any:
    """
    Undo what ``render_template_as_native_obj`` does to an id or a path of digits.

    :param value: The value at run time.
    :return: A whole number as text; anything else as it is.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class OptionalParameter:
    """
    A parameter that may be left out, but must not render to None: it would seem to be left out.

    It stands as a descriptor in the class of the operator.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, operator: Any, owner: type | None = None) -> Any:
        return None if operator is None else operator.__dict__.get(self._name)

    def __set__(self, operator: Any, value: Any) -> None:
        given = operator.__dict__.get(self._name)
        if value is None and given is not None:
            raise ConfigurationError(f"{self._name} rendered to None: {given!s}")
        operator.__dict__[self._name] = _as_text(value)


def _as_text(value: Any) -> Any:
    """Write a path as text: Airflow 3.0 takes a ``Path`` for something to be resolved, and it need not exist."""
    if isinstance(value, list | tuple):
        return [_as_text(part) for part in value]
    if isinstance(value, ObjectStoragePath) or not isinstance(value, PurePath):
        return value
    return str(value)


def storage_path(parameter: str, path: Any) -> ObjectStoragePath:
    """
    Open the file system of a path.

    :param parameter: Which parameter it is, for the error.
    :param path: The path: text, a ``Path`` or an ``ObjectStoragePath``.
    :raises ConfigurationError: if it is not a path, or no installed provider knows its scheme.
    """
    path = text_of(path)
    if not isinstance(path, str | PurePath | ObjectStoragePath):
        raise ConfigurationError(f"{parameter} must be a path, got {path!r:.80}.")
    if not str(path).strip() or "None" in str(path).split("/"):
        raise ConfigurationError(f"{parameter} {str(path)!r} is not a path: a template in it rendered to nothing.")
    try:
        opened = path if isinstance(path, ObjectStoragePath) else ObjectStoragePath(path)
        opened.fs  # noqa: B018 - what is missing shows here
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{parameter} {path}: {error}. Install the provider of Airflow for its file system where the task runs: "
            "airflow-provider-voucherify[s3] for s3://, [gcs] for gs://, [azure] for abfs://."
        ) from error
    return opened
