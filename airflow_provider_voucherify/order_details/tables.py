"""The columns of the tables, and the rows that an order makes in them. This loads pyarrow: import it late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_details.order_times import parse_time
from airflow_provider_voucherify.order_export.convert.schema import TYPES

KEYS = {"order_id": "text", "order_updated_at": "time"}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "order_id": "text", "id": "text", "source_id": "text", "created_at": "time", "updated_at": "time",
        "status": "category", "amount": "integer", "initial_amount": "integer", "discount_amount": "integer",
        "items_discount_amount": "integer", "total_discount_amount": "integer", "total_amount": "integer",
        "applied_discount_amount": "integer", "items_applied_discount_amount": "integer",
        "total_applied_discount_amount": "integer", "customer_id": "text", "referrer_id": "text", "customer": "json",
        "referrer": "json", "metadata": "json", "object": "category",
    },
    "order_items": {
        **KEYS, "item_index": "integer", "id": "text", "sku_id": "text", "product_id": "text",
        "related_object": "category", "source_id": "text", "quantity": "integer", "discount_quantity": "integer",
        "initial_quantity": "integer", "amount": "integer", "discount_amount": "integer",
        "applied_discount_amount": "integer", "applied_discount_quantity": "integer", "applied_quantity": "integer",
        "applied_quantity_amount": "integer", "initial_amount": "integer", "price": "integer",
        "subtotal_amount": "integer", "product": "json", "sku": "json", "object": "category", "metadata": "json",
    },
    "order_redemptions": {
        **KEYS, "redemption_id": "text", "date": "time", "rollback_id": "text", "rollback_date": "time",
        "related_object_type": "category", "related_object_id": "text", "related_object_parent_id": "text",
        "stacked": "texts", "rollback_stacked": "texts",
    },
}  # fmt: skip
PARTS = ("items", "redemptions")  # of an order, which have tables of their own


def table_schema(table: str) -> pa.Schema:
    """
    Return the schema of a table: the fields of the API's documents under their names, and the keys to join by.

    :param table: Its name.
    """
    types: dict[str, pa.DataType] = {**TYPES, "texts": pa.list_(pa.string())}  # type: ignore[dict-item]
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS[table].items()])


class RowMaker:
    """Make the rows of orders, and note the fields that the tables lack."""

    def __init__(self) -> None:
        self.unknown_fields: dict[str, None] = {}

    def rows(self, table: str, order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """
        Make the rows that an order has in a table.

        :param table: The table.
        :param order: The order.
        :raises ExportFileError: if a value does not fit its column, naming order, field and value.
        """
        keys = {"order_id": order["id"], "order_updated_at": order.get("updated_at")}
        if table == "orders":
            whole = {name: value for name, value in order.items() if name not in PARTS}
            yield self._row(table, {"order_id": order["id"], **whole}, order)
        elif table == "order_items":
            for index, item in enumerate(self._part(order, "items", list)):
                yield self._row(table, {**item, **keys, "item_index": index}, order)
        else:
            for redemption_id, entry in self._part(order, "redemptions", dict).items():
                yield self._row(table, {**entry, **keys, "redemption_id": redemption_id}, order)

    def _part(self, order: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
        part = order.get(name) or kind()
        entries = part.values() if isinstance(part, dict) else part
        if not isinstance(part, kind) or not all(isinstance(entry, dict) for entry in entries):
            raise ExportFileError(f"Order {order['id']}: {name} is {part!r:.80}, which is not what the API documents.")
        return part

    def _row(self, table: str, given: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, Any]:
        columns = COLUMNS[table]
        if not given.keys() <= columns.keys():
            self.unknown_fields |= dict.fromkeys(f"{table}.{name}" for name in given if name not in columns)
        return {
            name: None if (value := given.get(name)) is None else _value(value, kind, f"Order {order['id']}: {name}")
            for name, kind in columns.items()
        }


def _value(value: Any, kind: str, what: str) -> Any:
    if kind == "time":
        return parse_time(value, what)
    if kind == "json":
        return msgspec.json.encode(value).decode()
    if kind in ("text", "category") and isinstance(value, str):
        return value
    if kind == "integer" and isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    if kind == "texts" and isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise ExportFileError(f"{what} is {value!r:.80}, which is not a {'list of texts' if kind == 'texts' else kind}.")
