"""``parameters.filters`` of an export as a condition of SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload
from airflow_provider_voucherify.emulator.request import parse_moment

TIMES = ("created_at", "updated_at")
TEXTS = ("source_id", "status")
METADATA = "metadata."
FIELD = re.compile(r"[a-z][a-z0-9_]*(?:\.\w+)*", re.ASCII)

# Conditions that the API knows for objects other than orders, or relative to today: known, but not worked out here.
_FOREIGN = [
    "$in_location",
    "$not_in_location",
    "$is_days_ago",
    "$is_days_in_future",
    "$more_than_ago",
    "$less_than_ago",
    "$more_than_future",
    "$less_than_future",
    "$count",
    "$count_less",
    "$count_more",
    "$today",
    "$tomorrow",
    "$yesterday",
    "$this_week",
    "$last_week",
    "$next_week",
    "$this_month",
    "$last_month",
    "$next_month",
    "$this_year",
    "$next_year",
    "$last_year",
    "$is_day_of_month",
    "$is_day",
    "$is_month",
    "$is_year",
    "$today_md",
    "$tomorrow_md",
    "$yesterday_md",
    "$this_week_md",
    "$last_week_md",
    "$next_week_md",
    "$this_month_md",
    "$last_month_md",
    "$next_month_md",
    "$is_days_ago_md",
    "$is_more_days_ago_md",
    "$is_less_days_ago_md",
    "$is_days_in_future_md",
    "$is_more_days_in_future_md",
    "$is_less_days_in_future_md",
    "$is_years_ago",
    "$active",
    "$failed",
    "$in_progress",
    "$expired",
    "$before_start",
    "$enabled",
    "$disabled",
    "$redeemed",
    "$redeemable",
]

# How one value compares (`{}` is the field) and whether every value has to (`all`) or one of them.
_CONDITIONS: dict[str, tuple[str, bool]] = {
    "$in": ("{} = ?", False),
    "$not_in": ("{} <> ?", True),
    "$is": ("{} = ?", False),
    "$is_not": ("{} <> ?", True),
    "$contains": ("instr({}, ?) > 0", False),
    "$not_contain": ("instr({}, ?) = 0", True),
    "$starts_with": ("substr({}, 1, length(?)) = ?", False),
    "$ends_with": ("substr({0}, length({0}) - length(?) + 1) = ?", False),
    "$more_than": ("{} > ?", False),
    "$more_than_equal": ("{} >= ?", False),
    "$less_than": ("{} < ?", False),
    "$less_than_equal": ("{} <= ?", False),
}
_METADATA_VALUE = "(CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE value END)"
_NEGATIONS = ("$not_in", "$is_not", "$not_contain")
_PRESENCE = {"$has_value": "IS NOT NULL", "$is_unknown": "IS NULL"}
_BOUNDS = {"$after": ">", "$before": "<"}
CONDITIONS = (*_CONDITIONS, *_PRESENCE, *_BOUNDS, *_FOREIGN)

Sql = tuple[str, list[Any]]


class FilterRules(Struct, frozen=True, kw_only=True):
    """What an export can be filtered by.

    :param names: Documented fields; None where the OpenAPI documents have none: any name then.
    :param prefixes: How other fields begin.
    :param conditions: The only conditions that some of the fields can have.
    """

    names: tuple[str, ...] | None
    prefixes: tuple[str, ...] = (METADATA,)
    conditions: Mapping[str, tuple[str, ...]] = {}

    def __contains__(self, field: str) -> bool:
        if field.startswith(self.prefixes):
            return field.startswith(METADATA) or FIELD.fullmatch(field) is not None
        return FIELD.fullmatch(field) is not None if self.names is None else field in self.names


def compile_filters(filters: Any, rules: FilterRules, *, inclusive: bool) -> Sql:
    """Turn filters into SQL over a table that has a column for each field.

    Values are a list or a single one (the schema has lists, the example a scalar). Of several values ``$is``, ``$in``,
    ``$contains`` and the like ask for one, the negations for none of them. An order without the property meets the
    negations and ``$is_unknown``. Metadata that are a list meet a condition when one element does; those that are true
    or false are compared as texts, as the schema has no booleans. The values of ``$has_value`` and ``$is_unknown`` are
    ignored.

    :param filters: The property of the request.
    :param rules: What can be filtered by.
    :param inclusive: Whether ``$after`` and ``$before`` include their bound (U).
    :raises ResponseError: 400 ``invalid_payload`` for an unknown field, condition or form.
    :return: A condition and its parameters; ``("1", [])`` when there is none.
    """
    if filters is None:
        return "1", []
    if not isinstance(filters, dict):
        raise invalid_payload("Property .parameters.filters should be an object")
    junction = filters.get("junction", "and")
    if junction not in ("and", "or"):
        raise invalid_payload(
            "Property .parameters.filters.junction should be equal to one of the allowed values [ and, or ]"
        )
    parts: list[str] = []
    parameters: list[Any] = []
    for field, condition in filters.items():
        if field == "junction":
            continue
        sql, values = _field(field, condition, inclusive, rules)
        parts.append(f"({sql})")
        parameters += values
    return (f" {junction.upper()} ".join(parts), parameters) if parts else ("1", [])


def metadata_path(field: str) -> str:
    """Return the JSON path that ``metadata.X`` stands for.

    :param field: A field with the prefix ``metadata.``.
    :raises ResponseError: if the key is empty, or has a double quote, which SQLite's paths cannot name.
    """
    key = field.removeprefix(METADATA)
    if not key or '"' in key:
        raise invalid_payload(f"Property .parameters: {field} names no metadata property that can be exported")
    return f'$."{key}"'


def _field(field: str, value: Any, inclusive: bool, rules: FilterRules) -> Sql:
    if field not in rules:
        allowed = ", ".join((*(rules.names or ()), *(f"{prefix}X" for prefix in rules.prefixes)))
        raise invalid_payload(f"Property .parameters.filters.{field} is not allowed. Allowed filters: {allowed}")
    conditions = value.get("conditions") if isinstance(value, dict) else None
    if not isinstance(conditions, dict) or not conditions:
        raise _wrong_form()
    parts: list[str] = []
    parameters: list[Any] = []
    for name, operand in conditions.items():
        if name in _FOREIGN:
            raise invalid_payload(f"Property .parameters.filters.{field}: the emulator cannot evaluate {name}")
        if name not in CONDITIONS:
            raise _wrong_form()
        if name not in (known := rules.conditions.get(field, CONDITIONS)):
            raise invalid_payload(f"Property .parameters.filters.{field} can have {' and '.join(known)}, not {name}")
        sql, values = (_metadata if field.startswith(METADATA) else _column)(field, name, operand, inclusive)
        parts.append(sql)
        parameters += values
    return " AND ".join(parts), parameters


def _column(field: str, name: str, operand: Any, inclusive: bool) -> Sql:
    if name in _PRESENCE:
        return f'"{field}" {_PRESENCE[name]}', []
    sql, values = _compare(f'"{field}"', field, name, operand, inclusive)
    return (f'("{field}" IS NULL OR {sql})' if name in _NEGATIONS else sql), values


def _metadata(field: str, name: str, operand: Any, inclusive: bool) -> Sql:
    path = metadata_path(field)
    if name in _PRESENCE:
        return f"nullif(json_type(metadata, ?), 'null') {_PRESENCE[name]}", [path]
    sql, values = _compare(_METADATA_VALUE, field, name, operand, inclusive)
    if name in _NEGATIONS:
        return f"NOT EXISTS (SELECT 1 FROM json_each(metadata, ?) WHERE NOT ({sql}))", [path, *values]  # noqa: S608
    return f"EXISTS (SELECT 1 FROM json_each(metadata, ?) WHERE {sql})", [path, *values]  # noqa: S608


def _compare(expression: str, field: str, name: str, operand: Any, inclusive: bool) -> Sql:
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise invalid_payload(f"Property .parameters.filters.{field}.conditions.{name} has no value")
    for value in values:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
        if not is_number and not isinstance(value, str):
            raise invalid_payload(
                f"Property .parameters.filters.{field}.conditions.{name} should hold texts or numbers"
            )
    if name in _BOUNDS:
        operator = _BOUNDS[name] + ("=" if inclusive else "")
        moments = [_moment(field, name, value) for value in values]
        if field in TIMES:
            return _join(f"{expression} {operator} ?", moments, every=True)
        return _join(f"julianday({expression}) {operator} julianday(?)", moments, every=True)
    comparison, every = _CONDITIONS[name]
    values = [str(value) if field in TEXTS else value for value in values]
    return _join(comparison.format(expression), values, every, comparison.count("?"))


def _join(comparison: str, values: list[Any], every: bool, uses: int = 1) -> Sql:
    joined = (" AND " if every else " OR ").join([comparison] * len(values))
    return f"({joined})", [value for value in values for _ in range(uses)]


def _moment(field: str, name: str, value: Any) -> str:
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        raise invalid_payload(
            f"Property .parameters.filters.{field}.conditions.{name} cannot be recognized as a ISO-8601 compliant date"
        )
    return moment


_FORM = "filters[${field}][conditions][${condition}]"


def _wrong_form() -> ResponseError:
    return invalid_payload(
        f"Property .parameters.filters should match either `{_FORM}[${{index}}]` or `{_FORM}` format and condition must"
        f" be one of: {', '.join(CONDITIONS)}"
    )
