"""Check the values of options, with errors that name the option, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow_provider_voucherify.exceptions import ConfigurationError

TEMPLATE_MARKS = ("{{", "{%")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """
    Check an option that accepts a fixed set of values.

    :param name: The name of the option.
    :param value: Its value.
    :param choices: The values that it accepts.
    :raises ConfigurationError: if the value is not one of them.
    """
    choices = list(choices)
    if value not in choices:
        names = [str(choice) for choice in choices if choice is not None]
        or_none = ", or None" if None in choices else ""
        raise ConfigurationError(
            f"{name} must be one of {', '.join(names)}{or_none}, got {value!r}{did_you_mean(value, names)}"
        )


def check_number(name: str, value: Any, minimum: float | None = None, *, whole: bool = True) -> None:
    """
    Check an option that is a number.

    :param name: The name of the option.
    :param value: Its value.
    :param minimum: The smallest number that it accepts.
    :param whole: Whether it must be an integer.
    :raises ConfigurationError: if the value is too small, or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ConfigurationError(
            f"{name} must be a {'whole ' if whole else ''}number, got {value!r}.{_template_hint(value)}"
        )
    if minimum is not None and not value >= minimum:  # so that a NaN does not pass
        raise ConfigurationError(f"{name} must be at least {minimum:g}, got {value!r}.")


def check_switch(name: str, value: Any) -> None:
    """
    Check an option that is True or False: any text would count as True.

    :param name: The name of the option.
    :param value: Its value.
    :raises ConfigurationError: if the value is neither.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}.{_template_hint(value)}")


def seconds_of(name: str, value: Any) -> float:
    """
    Read an option that is a duration.

    :param name: The name of the option.
    :param value: Seconds, or a timedelta.
    :return: The duration in seconds.
    :raises ConfigurationError: if the value is neither, or not above 0.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    check_number(name, seconds, 0, whole=False)
    if seconds == 0:
        raise ConfigurationError(f"{name} must be above 0 seconds.")
    return float(seconds)


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """
    End a sentence about an unknown name with the name that it may be a misspelling of.

    :param name: The unknown name.
    :param allowed: The names that are known.
    """
    close = difflib.get_close_matches(str(name), list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def _template_hint(value: Any) -> str:
    is_template = isinstance(value, str) and any(mark in value for mark in TEMPLATE_MARKS)
    return " It is not a templated parameter." if is_template else ""
