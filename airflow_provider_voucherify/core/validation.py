"""Parameters that are one of some words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_voucherify.exceptions import ConfigurationError


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """
    Check that a value is one of some.

    :param name: Of the parameter.
    :param value: What the author gives.
    :param choices: What there is to choose from.
    :raises ConfigurationError: if it is none of them.
    """
    choices = list(choices)
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}.")
