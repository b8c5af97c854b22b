"""The request of an export, checked before it is sent, as the API's own error does not say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import Export
from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.kinds import KINDS, METADATA_PREFIX, ExportedObject, ExportKind
from airflow_provider_voucherify.order_export.window import ExportWindow, WindowField

ARROW_TYPES = (
    "string, bool, int8 to int64, uint8 to uint64, float32, float64, date32, timestamp[ms], "
    "timestamp[ms, tz=UTC] (or s, us, ns), decimal128(precision, scale)"
)
ARROW_TYPE = re.compile(
    r"string|bool|u?int(?:8|16|32|64)|float(?:32|64)?|double|date32(?:\[day\])?"
    r"|timestamp\[(?:s|ms|us|ns)(?:, ?tz=UTC)?\]|decimal128\((?:[1-9]|[12]\d|3[0-8]), ?\d{1,2}\)"
)
JUNCTIONS = ("and", "or")
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


class ExportRequest(Options, frozen=True, kw_only=True):
    """
    An export. All values are JSON, so that it can be saved.

    :param exported_object: What is exported: ``order``, ``redemption``, ``customer``, ``voucher``, ``publication``,
        ``points_expiration``, ``voucher_transactions``, ``product`` or ``sku``. Each has its own fields, sort orders
        and filters (documented); an unknown one is refused.
    :param fields: The columns, in their order: fields of the API, and ``metadata.X`` for a single key of the metadata
        (documented). By default all fields, and ``metadata.X`` for each key of ``metadata_schema``.
    :param filters: The rows, in the format of the API (documented):
        ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``. With a window, "and" alone.
    :param sort_order: A field to sort by, with ``-`` before it for descending; of orders ``created_at``,
        ``updated_at`` or ``status`` (documented).
    :param metadata_schema: The Arrow types of ``metadata.X`` columns by key, ``{"row": "int64"}``; strings by default.
    :param window_field: The time that a window is of: ``updated_at``, or ``created_at`` for an order without one
        (whether an order that never changed has one is unknown); or ``created_at`` for all. Redemptions, publications
        and transactions never change: their windows are of ``created_at``.
    :param window_start: The first moment of the window, in ISO 8601 with an offset. Everything without a window.
    :param window_end: The first moment after the window, in the same format; not in the future.
    :param window_lookback: How much more to export before the window, in seconds or as a timedelta, for changes that
        become visible late. Such a version of an order comes with two windows: merge them by ``id``, as a later window
        never has an older version. The names of the files stay those of the window.
    :raises ConfigurationError: if the API would refuse it, naming the value and what is allowed.
    """

    exported_object: ExportedObject = "order"
    fields: Sequence[str] | None = None
    filters: Mapping[str, Any] | None = None
    sort_order: str | None = None
    metadata_schema: Mapping[str, Any] | None = None
    window_field: WindowField = "updated_at"
    window_start: str | datetime | None = None
    window_end: str | datetime | None = None
    window_lookback: float | timedelta | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = self.kind
        schema = {} if self.metadata_schema is None else self.metadata_schema
        if not isinstance(schema, Mapping):
            raise ConfigurationError(f"metadata_schema must be an object of types by key, got {schema!r}.")
        types = {key: str(name) for key, name in schema.items()}
        fields = [*kind.fields, *(f"{METADATA_PREFIX}{key}" for key in types)] if self.fields is None else self.fields
        _check_fields(fields, kind)
        _check_types(types, fields)
        if self.sort_order is not None and self.sort_order not in kind.signed_sort_orders:
            raise ConfigurationError(
                f"sort_order: {self.sort_order!r} is not a sort order of an export of {kind.name}"
                f"{_hint(self.sort_order, kind.signed_sort_orders)}"
            )
        if self.filters is not None:
            _check_filters(self.filters, kind)
        if self.window is not None:
            _check_window_filters(self.filters or {})
        elif self.window_lookback is not None:
            raise ConfigurationError("window_lookback: there is no window. Give window_start and window_end.")
        msgspec.structs.force_setattr(self, "fields", tuple(fields))
        msgspec.structs.force_setattr(self, "metadata_schema", types)

    @property
    def kind(self) -> ExportKind:
        """The kind of export."""
        return KINDS[self.exported_object]

    @property
    def window(self) -> ExportWindow | None:
        """
        The window, with the lookback; None for all orders.

        :raises ConfigurationError: if only one of its ends is given, or it is not a window.
        """
        return None if self._window is None else self._window.looking_back(self.window_lookback)

    @property
    def window_name(self) -> str | None:
        """The name of the window in file names, which the lookback does not change; None for all orders."""
        return None if self._window is None else self._window.name

    @property
    def _window(self) -> ExportWindow | None:
        if (self.window_start is None) != (self.window_end is None):
            raise ConfigurationError("Give both window_start and window_end, or neither.")
        if self.window_start is None:
            return None
        return ExportWindow.parse(self.kind.window_field(self.window_field), self.window_start, self.window_end)

    @property
    def api_parameters(self) -> dict[str, Any]:
        """The ``parameters`` that the API is sent, without those that are empty."""
        given = {"fields": self.fields, "filters": self.filters, "order": self.sort_order}
        parameters: dict[str, Any] = msgspec.json.decode(
            msgspec.json.encode({name: value for name, value in given.items() if value})
        )
        return parameters

    def is_request_of(self, export: Export) -> bool:
        """
        Return whether an export was requested with the same parameters, and so has the same rows.

        The API returns more than it was sent, such as ``{"junction": "and"}`` for no filters, an empty ``order`` and
        ``response_format`` (seen in examples): only what decides about rows and columns is compared.

        :param export: An export of any kind.
        """
        requested, sent = export.parameters, self.api_parameters
        return (
            export.exported_object == self.exported_object
            and list(requested.get("fields") or ()) == sent["fields"]
            and (requested.get("order") or None) == sent.get("order")
            and _conditions(requested.get("filters")) == _conditions(sent.get("filters"))
        )

    def submit(self, client: Endpoints, before_send: Callable[[], None] = lambda: None) -> str:
        """
        Request the export.

        :param client: The API.
        :param before_send: Called right before each attempt, after the wait for the quota.
        :return: The id of the export, which is now SCHEDULED.
        :raises TransportError: with ``sent=True`` when the export may have been scheduled and its id is lost.
        """
        return client.create_export(
            self.exported_object,
            fields=self.fields,
            filters=self.api_parameters.get("filters"),
            sort_order=self.sort_order,
            before_send=before_send,
        ).id


def _conditions(filters: Any) -> Any:
    """Reduce filters to a form that does not depend on how they are written."""
    if not isinstance(filters, Mapping):
        return filters or {}
    conditions = {
        name: {
            operator: [_value(single) for single in (values if isinstance(values, list) else [values])]
            for operator, values in condition["conditions"].items()
        }
        if isinstance(condition, Mapping) and isinstance(condition.get("conditions"), Mapping)
        else condition
        for name, condition in filters.items()
        if name != "junction"
    }
    if len(conditions) > 1:
        conditions["junction"] = filters.get("junction", "and")
    return conditions


def _value(value: Any) -> Any:
    """Make equal times equal, whatever their format."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return moment if moment.tzinfo else value


def _hint(name: object, allowed: Sequence[str]) -> str:
    return f"{did_you_mean(name, allowed)} Allowed: {', '.join(allowed)}."


def _check_fields(fields: Sequence[str], kind: ExportKind) -> None:
    named = isinstance(fields, Sequence) and all(isinstance(name, str) for name in fields)
    if not named or not fields or isinstance(fields, str):
        raise ConfigurationError(f"fields must be a list of at least one name, got {fields!r}.")
    for name in fields:
        if not kind.has_field(name):
            raise ConfigurationError(f"fields: {name!r} is not a field of {kind.one}{_hint(name, kind.field_names)}")
    repeated = sorted({name for name in fields if list(fields).count(name) > 1})
    if repeated:
        raise ConfigurationError(f"fields: {', '.join(repeated)} is named more than once.")


def _check_types(types: Mapping[str, str], fields: Sequence[str]) -> None:
    for key, name in types.items():
        if f"{METADATA_PREFIX}{key}" not in fields:
            raise ConfigurationError(
                f"metadata_schema: {key!r} has a type, but 'metadata.{key}' is not among the fields. Add it there."
            )
        if not ARROW_TYPE.fullmatch(name):
            raise ConfigurationError(
                f"metadata_schema: {name!r} of {key!r} is not a type for a column. Allowed: {ARROW_TYPES}."
            )


def _check_window_filters(filters: Mapping[str, Any]) -> None:
    if filters.get("junction", "and") != "and":
        raise ConfigurationError("filters: with a window, junction must be 'and': the window has to hold in any case.")
    for name in get_args(WindowField):
        if name in filters:
            raise ConfigurationError(f"filters: {name!r} is the field of the window: leave it to the window.")


def _check_filters(filters: Mapping[str, Any], kind: ExportKind) -> None:
    if not isinstance(filters, Mapping):
        raise ConfigurationError(f"filters must be an object of conditions by field, got {filters!r:.80}.")
    for name, condition in filters.items():
        if name == "junction":
            if condition not in JUNCTIONS:
                raise ConfigurationError(f"filters: junction must be 'and' or 'or', got {condition!r}.")
        elif not kind.has_filter(str(name)):
            column = f": the API documents it as a column of {kind.one} alone" if kind.has_field(str(name)) else ""
            raise ConfigurationError(
                f"filters: {name!r} is not a field to filter by{column}{_hint(name, kind.filter_names)}"
            )
        else:
            _check_condition(name, condition, kind.conditions.get(name, CONDITIONS))


def _check_condition(name: str, condition: Any, allowed: Sequence[str]) -> None:
    conditions = condition.get("conditions") if isinstance(condition, Mapping) else None
    if not isinstance(conditions, Mapping) or not conditions or set(condition) != {"conditions"}:
        raise ConfigurationError(
            f'filters: {name} must be like {{"conditions": {{"$is": ["…"]}}}}, got {condition!r:.80}.'
        )
    for operator, value in conditions.items():
        if operator not in allowed:
            raise ConfigurationError(f"filters: {operator!r} of {name} is not a condition{_hint(operator, allowed)}")
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
