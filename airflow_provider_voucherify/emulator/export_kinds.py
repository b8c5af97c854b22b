"""The kinds of export: what each can be asked for, and the table that it reads."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload
from airflow_provider_voucherify.emulator.export_filters import (
    FIELD,
    METADATA,
    FilterRules,
    compile_filters,
    metadata_path,
)


class ExportKind(Struct, frozen=True, kw_only=True):
    """A kind of export.

    :param fields: Documented fields; None where the OpenAPI documents have none (``product``, ``sku``): any name then.
    :param sort_orders: Documented values of ``parameters.order``; None for any field with or without ``-``.
    :param default_fields: Fields of an export that names none; all documented ones where that is unknown.
    :param filters: What it can be filtered by.
    """

    name: str
    fields: tuple[str, ...] | None = None
    sort_orders: tuple[str, ...] | None = None
    default_fields: tuple[str, ...] = ()
    filters: FilterRules

    def check(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Validate the parameters of an export and fill in the default fields.

        :param parameters: ``parameters`` of the request.
        :raises ResponseError: 400 for an unknown field, sort order or filter.
        :return: ``fields``, and ``order`` and ``filters`` where they were sent.
        """
        fields = parameters.get("fields") or list(self.default_fields or self.fields or ("id",))
        if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
            raise invalid_payload("Property .parameters.fields should be an array of strings")
        for field in fields:
            self._check_field(field)
        order = parameters.get("order")
        if order not in (None, "") and not self._sorts_by(order):
            allowed = ", ".join(self.sort_orders or ())
            raise invalid_payload(
                f"Property .parameters.order should be equal to one of the allowed values [ {allowed} ]"
            )
        self.compile(parameters.get("filters"), inclusive=True)
        checked = {name: value for name, value in parameters.items() if name in ("order", "filters") and value}
        return {**checked, "fields": fields}

    def compile(self, filters: Any, *, inclusive: bool) -> tuple[str, list[Any]]:
        """Turn filters into a condition on the columns of :meth:`table`.

        :param filters: ``parameters.filters`` of the request.
        :param inclusive: Whether ``$after`` and ``$before`` include their bound.
        :raises ResponseError: 400 for an unknown field, condition or form.
        """
        return compile_filters(filters, self.filters, inclusive=inclusive)

    def table(self, parameters: Mapping[str, Any]) -> str:
        """Return the table to read: that of the orders, or given rows as one with a column for each field.

        :param parameters: Checked parameters.
        """
        if self.name == "order":
            return "orders"
        used = {
            *parameters["fields"],
            *(parameters.get("filters") or ()),
            parameters.get("order", "").removeprefix("-"),
        }
        columns = sorted(name for name in used if FIELD.fullmatch(name) and not f"{name}.".startswith(METADATA))
        selected = "".join(f', {self._value(name)} AS "{name}"' for name in columns)
        metadata = "coalesce(document -> '$.metadata', '{}') AS metadata"
        return f"(SELECT seq, {metadata}{selected} FROM export_rows WHERE kind = '{self.name}')"  # noqa: S608 (checked)

    def _value(self, name: str) -> str:
        """Return the value of a column; what has a ``date`` was created at that time."""
        value = _VALUE.format(name=name)
        if name == "created_at" and "date" in (self.fields or ()):
            return f"coalesce({value}, {_VALUE.format(name='date')})"
        return value

    def _check_field(self, field: str) -> None:
        takes_metadata = self.fields is None or "metadata" in self.fields
        if field.startswith("metadata.") and takes_metadata:
            metadata_path(field)
        elif not _NAME.fullmatch(field) or (self.fields is not None and field not in self.fields):
            allowed = ", ".join(self.fields or ())
            details = f"Unsupported field used. Allowed fields: {allowed}"
            raise ResponseError(400, "invalid_export_fields", "Invalid Export", details)

    def _sorts_by(self, order: Any) -> bool:
        if self.sort_orders is not None:
            return order in self.sort_orders
        return isinstance(order, str) and _NAME.fullmatch(order.removeprefix("-")) is not None


_NAME = re.compile(r"[a-z][a-z0-9_]*")
# SQLite has no booleans: without the CASE true would be written as 1.
_VALUE = (
    "CASE json_type(document, '$.\"{name}\"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
    " ELSE document ->> '$.\"{name}\"' END"
)


def _both(*names: str) -> tuple[str, ...]:
    return tuple(order for name in names for order in (f"-{name}", name))


_BOUNDS = ("$after", "$before")
_OF_EVENTS: dict[str, tuple[str, ...]] = {
    "created_at": _BOUNDS, "campaign": ("$is",), "customer": ("$is",), "voucher": ("$is",),
}  # fmt: skip

_KINDS = (
    ExportKind(
        name="order",
        fields=(
            "id", "source_id", "created_at", "updated_at", "status", "amount", "discount_amount",
            "items_discount_amount", "total_discount_amount", "total_amount", "customer_id", "referrer_id", "metadata",
        ),
        sort_orders=_both("created_at", "updated_at", "status"),
        default_fields=("id", "source_id", "status"),
        filters=FilterRules(
            names=(
                "created_at", "updated_at", "status", "source_id", "amount", "total_amount", "discount_amount",
                "total_discount_amount", "items_discount_amount",
            ),
            conditions={"created_at": _BOUNDS, "updated_at": _BOUNDS},
        ),
    ),
    ExportKind(
        name="voucher",
        fields=(
            "code", "voucher_type", "value", "formula", "discount_type", "campaign", "category", "start_date",
            "expiration_date", "gift_balance", "loyalty_balance", "redemption_quantity", "redemption_count", "active",
            "qr_code", "bar_code", "metadata", "id", "is_referral_code", "created_at", "updated_at",
            "validity_timeframe_interval", "validity_timeframe_duration", "validity_day_of_week",
            "discount_amount_limit", "campaign_id", "additional_info", "customer_id", "discount_effect",
            "discount_unit_type", "discount_unit_effect", "validation_rules_id", "customer_source_id",
        ),
        sort_orders=_both("created_at", "updated_at", "code"),
        filters=FilterRules(
            names=(
                "created_at", "updated_at", "created_date", "active", "redemption_status", "start_date",
                "expiration_date", "validity_day_of_week", "code", "categories", "vouchers", "holder_id",
                "is_referral_code", "published_for_customer_id", "validity_timeframe", "category_ids",
            ),
            prefixes=(METADATA, "redemption."),
        ),
    ),
    ExportKind(
        name="redemption",
        fields=(
            "id", "object", "date", "voucher_code", "campaign", "promotion_tier_id", "customer_id",
            "customer_source_id", "customer_name", "tracking_id", "order_id", "order_amount", "gift_amount",
            "loyalty_points", "result", "failure_code", "failure_message", "metadata",
        ),
        sort_orders=_both("id", "voucher_code", "tracking_id", "customer_id", "created_at"),
        filters=FilterRules(
            names=(
                "created_at", "campaign", "customer", "voucher", "related_object", "voucher_code", "related_object_id",
                "related_object_parent_id", "parent_redemption_id", "failure_code", "result", "object", "customer_id",
                "campaign_name", "user_login", "status",
            ),
            conditions={**_OF_EVENTS, "related_object": ("$in",)},
        ),
    ),
    ExportKind(
        name="customer",
        fields=(
            "name", "id", "description", "email", "source_id", "created_at", "address_city", "address_state",
            "address_line_1", "address_line_2", "address_country", "address_postal_code", "redemptions_total_redeemed",
            "redemptions_total_failed", "redemptions_total_succeeded", "redemptions_total_rolled_back",
            "redemptions_total_rollback_failed", "redemptions_total_rollback_succeeded", "orders_total_amount",
            "orders_total_count", "orders_average_amount", "orders_last_order_amount", "orders_last_order_date",
            "loyalty_points", "loyalty_referred_customers", "updated_at", "phone", "birthday", "metadata", "birthdate",
        ),
        sort_orders=_both("name", "id", "email", "source_id", "created_at", "updated_at"),
        filters=FilterRules(
            names=(
                "created_at", "updated_at", "email", "name", "city", "phone", "birthday", "source_id",
                "publications.created_at", "publications.related_object_id",
            ),
            prefixes=(
                METADATA, "address.", "summary.", "loyalty.", "loyalty_tier.", "loyalty_points.", "system_metadata.",
            ),
            conditions={"created_at": _BOUNDS, "updated_at": (*_BOUNDS, "$is"), "city": ("$is",)},
        ),
    ),
    ExportKind(
        name="publication",
        fields=(
            "voucher_code", "customer_id", "customer_source_id", "date", "channel", "campaign", "is_winner", "metadata",
        ),
        sort_orders=_both("id", "voucher_code", "tracking_id", "customer_id", "created_at", "channel"),
        filters=FilterRules(
            names=(
                "created_at", "campaign", "customer", "voucher", "failure_code", "result", "customer_id",
                "campaign_name", "voucher_type", "is_referral_code", "parent_object_id", "related_object_id",
                "source_id",
            ),
            conditions=_OF_EVENTS,
        ),
    ),
    ExportKind(
        name="points_expiration",
        fields=("id", "campaign_id", "voucher_id", "points", "status", "expires_at"),
        sort_orders=_both("expires_at"),
        filters=FilterRules(names=("campaign_id", "voucher_id"), prefixes=()),
    ),
    ExportKind(
        name="voucher_transactions",
        fields=(
            "id", "campaign_id", "voucher_id", "type", "source_id", "reason", "source", "balance", "amount",
            "related_transaction_id", "created_at", "details",
        ),
        sort_orders=_both("created_at"),
        filters=FilterRules(names=("created_at", "voucher_id", "campaign_id"), prefixes=()),
    ),
    ExportKind(name="product", filters=FilterRules(names=None)),
    ExportKind(name="sku", filters=FilterRules(names=None)),
)  # fmt: skip
EXPORT_KINDS: dict[str, ExportKind] = {kind.name: kind for kind in _KINDS}
ROW_KINDS = tuple(name for name in EXPORT_KINDS if name != "order")
FIELDS = EXPORT_KINDS["order"].fields or ()


def add_rows(connection: sqlite3.Connection, kind: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Store rows that exports of a kind have.

    :param connection: Connection inside a transaction.
    :param kind: One of :data:`ROW_KINDS`; orders are created by the API.
    :param rows: Values by field.
    :raises ValueError: if the kind is unknown, a row is not an object, or has a field that the kind does not have.
    :return: Number of rows.
    """
    if kind not in ROW_KINDS:
        raise ValueError(f"Unknown kind of export {kind!r}; rows can be given for {', '.join(ROW_KINDS)}")
    documents: Sequence[tuple[str, str]] = [(kind, _document(kind, row)) for row in rows]
    connection.executemany("INSERT INTO export_rows (kind, document) VALUES (?, ?)", documents)
    return len(documents)


def _document(kind: str, row: Any) -> str:
    if not isinstance(row, Mapping):
        raise ValueError(f"A row of a {kind} export must be an object, got {row!r}")
    fields, filters = EXPORT_KINDS[kind].fields, EXPORT_KINDS[kind].filters
    # What an export can be sorted and filtered by is not always one of its fields.
    known = {
        *(fields or ()),
        *(filters.names or ()),
        *(order.removeprefix("-") for order in EXPORT_KINDS[kind].sort_orders or ()),
    }
    for name in row:
        if str(name) not in known and (str(name) not in filters or str(name).startswith(METADATA)):
            allowed = f"; it has {', '.join(sorted(known))}" if known else ""
            raise ValueError(f"A {kind} export has no field {name!r}{allowed}")
    return msgspec.json.encode(row).decode()
