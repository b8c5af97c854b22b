"""The options that say how the orders of a source are read, and what becomes of what the API would not understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.files import Format
from airflow_provider_voucherify.order_source.schema.field_types import ORDER, Shape, guess

AmountUnit = Literal["minor", "major"]
UnknownFields = Literal["reject", "drop", "metadata"]

MAX_AMOUNT_DECIMALS = 4
CSV_OPTIONS = ("delimiter", "encoding", "quote", "escape", "decimal", "thousands")


class SourceOptions(Options, frozen=True):
    r"""
    How the orders of a source are read.

    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``, where the names of the files do not say it.
    :param column_mapping: Paths in an order by column: ``{"order_no": "source_id", "shop": "metadata.shop", "internal":
        None}``; in JSON by field or its path, such as ``line_items.sku``. Columns with the API's names, such as
        ``customer.source_id``, need none; None leaves a column out. A folder ``shop=de/`` is a column ``shop`` of the
        files in it.
    :param group_by: A column, or a list of them: consecutive rows of a table with the same values there are one order.
        Columns mapped to ``items.…`` (or named so) give an item a row; the others give the order their first value that
        is not empty. An order is rejected if its rows contradict each other, or are not all together.
    :param unknown_fields: What to do with names that the API does not know, at every depth: ``reject`` the order (or
        the table), ``drop`` them, or keep them in the ``metadata`` of the object that they are in.
    :param require_source_id: Whether orders without ``source_id`` are rejected. False states that they are intended.
    :param null_values: Texts that stand for nothing, as a cell of a CSV file or as an id: empty text and ``\N`` by
        default.
    :param value_mapping: Values by path: ``{"status": {"paid": "PAID", "refunded": "CANCELED", "*": "CREATED"}}``.
        ``*`` stands for all other texts.
    :param amount_unit: ``minor``, or ``major`` where 12.34 means 1234; computed as decimals, never as floats. Tables
        whose amounts are decimals or floats need it, because 12.00 may be either.
    :param amount_decimals: The digits of the smallest currency unit after the point, with ``major``: 2, 0 for JPY, 3
        for KWD.
    :param negative_amounts: ``reject`` orders with an amount below zero, or ``send`` them.
    :param amount_mismatch: What to do with orders whose ``amount`` is not the sum of their items, of which Voucherify
        keeps the sum (documented): ``warn`` counts them, ``reject`` does not send them.
    :param order_date_metadata_key: Where in the metadata to keep ``created_at``, which the API overwrites (documented).
        Without it, ``created_at`` is left out.
    :param datetime_format: How dates are written that are not in ISO 8601: a format of ``strptime``, or
        ``epoch_seconds`` or ``epoch_milliseconds``; several are tried in turn.
    :param metadata_schema: Types of the order's metadata by key, as Arrow names them: ``int64``, ``float64``, ``bool``,
        ``string``, ``date32``, ``timestamp[us, UTC]``. CSV files have text alone without it.
    :param csv_options: ``delimiter``, ``encoding``, ``quote``, ``escape``, ``decimal`` and ``thousands`` of CSV files;
        those not given are found or usual: UTF-8, ``"``, quotes doubled, ``.``, none.
    :param json_path: The key of a JSON document whose array has the orders, with dots: ``orders`` or ``data.orders``.
    """

    file_format: Format | None = None
    column_mapping: Mapping[str, str | None] | None = None
    group_by: str | Sequence[str] | None = None
    unknown_fields: UnknownFields = "reject"
    require_source_id: bool = True
    null_values: Sequence[str] = ("", "\\N")
    value_mapping: Mapping[str, Mapping[str, Any]] | None = None
    amount_unit: AmountUnit | None = None
    amount_decimals: Annotated[int, Meta(ge=0)] = 2
    negative_amounts: Literal["reject", "send"] = "reject"
    amount_mismatch: Literal["warn", "reject"] = "warn"
    order_date_metadata_key: str | None = None
    datetime_format: str | Sequence[str] | None = None
    metadata_schema: Mapping[str, Any] | None = None
    csv_options: Mapping[str, str] | None = None
    json_path: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, path in _items("column_mapping", self.column_mapping):
            if path is not None and field_at(path) is None:
                close = guess(path)
                raise ConfigurationError(
                    f"column_mapping maps {name!r} to {path!r}, which is not a field of an order"
                    f"{f'; did you mean {close!r}?' if close else '.'}"
                )
        for path, values in _items("value_mapping", self.value_mapping):
            if field_at(path) is None or path in ("source_id", "id"):
                raise ConfigurationError(f"value_mapping maps values of {path!r}, which is not a field it can change.")
            _items(f"value_mapping[{path!r}]", values)
        if self.amount_decimals > MAX_AMOUNT_DECIMALS:
            raise ConfigurationError(
                f"amount_decimals must be 0 to {MAX_AMOUNT_DECIMALS}, got {self.amount_decimals!r}."
            )
        for name in ("order_date_metadata_key", "json_path"):
            if getattr(self, name) == "":
                raise ConfigurationError(f"{name} must not be empty; leave it out instead.")
        if isinstance(self.null_values, str) or not all(isinstance(value, str) for value in self.null_values):
            raise ConfigurationError(f"null_values must be a list of texts, got {self.null_values!r}.")
        for name, value in _items("csv_options", self.csv_options):
            if name not in CSV_OPTIONS:
                raise ConfigurationError(f"csv_options has {name!r}; it can have {', '.join(CSV_OPTIONS)}.")
            if not isinstance(value, str) or (name != "encoding" and len(value) != 1):
                raise ConfigurationError(f"csv_options[{name!r}] must be one character, got {value!r}.")
        _items("metadata_schema", self.metadata_schema)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns whose values identify the orders; none if each row is an order."""
        given = self.group_by
        return () if given is None else (given,) if isinstance(given, str) else tuple(given)

    @property
    def datetime_formats(self) -> tuple[str, ...]:
        """The formats of dates that are not in ISO 8601."""
        given = self.datetime_format
        return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def field_at(path: str) -> Shape | None:
    """
    Find the field at a path; that of an item with ``items.`` before it.

    :param path: The path, with dots.
    :return: None if the API has nothing there.
    """
    first, _, rest = path.partition(".")
    items = (ORDER.fields or {})["items"].entries
    if first == "items" and rest and items is not None:
        return items.inner(rest.split("."))
    if path == "customer_id":
        return ORDER.inner(("customer", "id"))
    return ORDER.inner(path.split("."))


def _items(name: str, value: Any) -> Any:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be an object, got {value!r}.")
    return value.items()
