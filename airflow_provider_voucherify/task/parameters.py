"""What authors give: checked when the DAG is parsed, as far as it is known then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_voucherify.exceptions import ConfigurationError

TEMPLATE_MARKS = ("{{", "{%")
JSON_FILES = (".json",)


def is_templated(value: Any) -> bool:
    """
    Tell whether a value, or a part of it, is known only when the task runs: a template, or a file in its place.

    :param value: What the author gives.
    """
    if isinstance(value, str):
        return value.endswith(JSON_FILES) or any(mark in value for mark in TEMPLATE_MARKS)
    if isinstance(value, Mapping):
        return any(is_templated(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(is_templated(part) for part in value)
    return isinstance(value, XComArg)


def check_number(name: str, value: Any, least: int, *, whole: bool = True) -> None:
    """
    Check a number.

    :param name: Of the parameter.
    :param value: What the author gives.
    :param least: The smallest that there can be.
    :param whole: Whether it must be a whole number.
    :raises ConfigurationError: if it is too small, or no number.
    """
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ConfigurationError(
            f"{name} must be a {'whole ' if whole else ''}number, got {value!r}.{_not_rendered(value)}"
        )
    if value < least:
        raise ConfigurationError(f"{name} must be at least {least}, got {value!r}.")


def seconds_of(name: str, value: Any) -> float:
    """
    Read a span of time.

    :param name: Of the parameter.
    :param value: Seconds, or a timedelta.
    :raises ConfigurationError: if it is neither, or not above 0.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    check_number(name, seconds, 0, whole=False)
    if seconds == 0:
        raise ConfigurationError(f"{name} must be above 0 seconds.")
    return float(seconds)


def check_switches(**switches: Any) -> None:
    """
    Check that values are True or False: a text would always be True.

    :param switches: Parameters by name.
    :raises ConfigurationError: naming the first that is not.
    """
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name} must be True or False, got {value!r}.{_not_rendered(value)}")


def from_json(name: str, value: Any) -> Any:
    """
    Read what a template, or a file named instead of the value, has as JSON.

    :param name: Of the parameter.
    :param value: What it is when the task runs.
    :return: The value; as it is if it is no text.
    :raises ConfigurationError: if it is a text and no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{name} is text that is no JSON ({error}): {value!r:.80}. Give the value itself, or end its template with "
            "'| tojson'."
        ) from None


def _not_rendered(value: Any) -> str:
    return " It is not a templated parameter." if is_templated(value) else ""
