"""Filters of an export, checked before they are sent. The API's own answer to a wrong one does not say which it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.names import METADATA, METADATA_X, hint, is_metadata_key

JUNCTIONS = ("and", "or")
FILTER_FIELDS = (*(name for name in ORDER_FIELDS if name != METADATA), METADATA_X)
TIME_FIELDS = ("created_at", "updated_at")
TIME_CONDITIONS = ("$after", "$before")
CONDITIONS = (  # as the API's error for an unknown one lists them (seen in an example)
    "$in", "$not_in", "$in_location", "$not_in_location", "$is", "$is_days_ago", "$is_days_in_future", "$is_not",
    "$has_value", "$is_unknown", "$contains", "$not_contain", "$starts_with", "$ends_with", "$more_than", "$less_than",
    "$more_than_ago", "$less_than_ago", "$more_than_future", "$less_than_future", "$more_than_equal",
    "$less_than_equal", "$after", "$before", "$count", "$count_less", "$count_more", "$today", "$tomorrow",
    "$yesterday", "$this_week", "$last_week", "$next_week", "$this_month", "$last_month", "$next_month", "$this_year",
    "$next_year", "$last_year", "$is_day_of_month", "$is_day", "$is_month", "$is_year", "$today_md", "$tomorrow_md",
    "$yesterday_md", "$this_week_md", "$last_week_md", "$next_week_md", "$this_month_md", "$last_month_md",
    "$next_month_md", "$is_days_ago_md", "$is_more_days_ago_md", "$is_less_days_ago_md", "$is_days_in_future_md",
    "$is_more_days_in_future_md", "$is_less_days_in_future_md", "$is_years_ago", "$active", "$failed", "$in_progress",
    "$expired", "$before_start", "$enabled", "$disabled", "$redeemed", "$redeemable",
)  # fmt: skip


def check_filters(filters: Mapping[str, Any]) -> None:
    """
    Check filters.

    :param filters: Conditions by field, and a ``junction``.
    :raises ConfigurationError: if they are malformed, naming the place and what is allowed.
    """
    if not isinstance(filters, Mapping):
        raise ConfigurationError(f"filters must be an object of conditions by field, got {filters!r:.80}.")
    for name, condition in filters.items():
        if name == "junction":
            if condition not in JUNCTIONS:
                raise ConfigurationError(f"filters: junction must be 'and' or 'or', got {condition!r}.")
        elif name not in FILTER_FIELDS and not is_metadata_key(str(name)):
            raise ConfigurationError(f"filters: {name!r} is no field to filter by{hint(name, FILTER_FIELDS)}")
        else:
            _check_condition(name, condition)


def _check_condition(name: str, condition: Any) -> None:
    conditions = condition.get("conditions") if isinstance(condition, Mapping) else None
    if not isinstance(conditions, Mapping) or not conditions or set(condition) != {"conditions"}:
        raise ConfigurationError(
            f'filters: {name} must be like {{"conditions": {{"$is": ["…"]}}}}, got {condition!r:.80}.'
        )
    for operator, value in conditions.items():
        if operator not in CONDITIONS:
            raise ConfigurationError(f"filters: {operator!r} of {name} is no condition{hint(operator, CONDITIONS)}")
        values = value if isinstance(value, list | tuple) else [value]
        for single in values:
            if operator in TIME_CONDITIONS and name in TIME_FIELDS:
                _check_time(f"{operator} of {name}", single)
            elif not isinstance(single, str | int | float | bool | dict | None):
                raise ConfigurationError(
                    f"filters: {operator} of {name} must be text, a number or a list of these, got {single!r:.80}."
                )


def _check_time(what: str, value: Any) -> None:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"filters: {what} must be a time like '2022-09-09T09:20:01.660Z', got {value!r:.80}."
        ) from None
