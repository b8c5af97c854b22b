"""Write the orders of a source to a Parquet file, reduced to what is compared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.checked_records import CheckedRecord, checked
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.schema.check import MALFORMED
from airflow_provider_voucherify.order_source.schema.item_amounts import Amount, PricedItem, items_amount
from airflow_provider_voucherify.order_source.source import Record, Source

BATCH_ROWS = 10_000
MAX_METADATA_KEYS = 500

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("source_id", pa.string()),
        ("status", pa.string()),
        ("amount", pa.int64()),
        ("items_amount", pa.int64()),
        ("discount_amount", pa.int64()),
        ("customer_id", pa.string()),
        ("customer_source_id", pa.string()),
        ("referrer_id", pa.string()),
        ("referrer_source_id", pa.string()),
        ("metadata", pa.string()),
        ("is_invalid", pa.bool_()),
    ]
)


class Party(msgspec.Struct, gc=False):
    """A customer or referrer of an order."""

    id: str | None = None
    source_id: str | None = None


NOBODY = Party()


class ComparedOrder(msgspec.Struct, gc=False):
    """What is compared of an order of the source."""

    source_id: str | None = None
    status: str | None = None
    amount: Amount = None
    discount_amount: Amount = None
    customer_id: str | None = None
    referrer_id: str | None = None
    customer: Party | None = None
    referrer: Party | None = None
    items: list[PricedItem] | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")


class GivenRow(msgspec.Struct, gc=False, omit_defaults=True):
    """A row of the Parquet file; the fields are its columns."""

    number: int
    source_id: str
    status: str | None = None
    amount: int | None = None
    items_amount: int | None = None
    discount_amount: int | None = None
    customer_id: str | None = None
    customer_source_id: str | None = None
    referrer_id: str | None = None
    referrer_source_id: str | None = None
    metadata: str | None = None
    is_invalid: bool = False


class Given(msgspec.Struct, kw_only=True):
    """
    What was read from the source.

    :param orders: How many records it has.
    :param metadata_keys: The keys of metadata that it gives.
    """

    orders: int = 0
    metadata_keys: list[str] = []


_decode_order = msgspec.json.Decoder(ComparedOrder).decode
_decode_metadata = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode_rows = msgspec.json.Encoder().encode_lines


class GivenWriter:
    """
    Write the orders of a source to a Parquet file.

    :param source: The orders.
    :param wanted_keys: The keys of the metadata that are compared; None for all.
    """

    def __init__(self, source: Source, wanted_keys: list[str] | None) -> None:
        self._source = source
        self._collects_keys = wanted_keys is None
        self._keys = dict.fromkeys(wanted_keys or ())
        self._orders = 0

    def write(self, path: Path) -> Iterator[Record]:
        """
        Write the file, a batch at a time, and yield the records without a ``source_id``: they are not in it.

        :param path: The file.
        :raises ConfigurationError: if the source cannot be read, or has too many keys of metadata to compare them all.
        """
        rows: list[GivenRow] = []
        with pq.ParquetWriter(path, SCHEMA, compression="lz4") as writer:
            for order in checked(self._source.scan()):
                self._orders += 1
                if (row := self._row(order)) is None:
                    yield order.record
                    continue
                rows.append(row)
                if len(rows) >= BATCH_ROWS:
                    writer.write_table(_table(rows))
                    rows = []
            if rows:
                writer.write_table(_table(rows))

    @property
    def given(self) -> Given:
        """What was read up to now."""
        return Given(orders=self._orders, metadata_keys=list(self._keys))

    def _row(self, order_read: CheckedRecord) -> GivenRow | None:
        record = order_read.record
        try:
            order = _decode_order(order_read.body)
        except MALFORMED:
            order = None
        if order is None or order_read.error is not None:
            # an import rejects it; whether it is there can be told nevertheless
            source_id = source_id_of(record.body)
            return GivenRow(record.number, source_id, is_invalid=True) if source_id else None
        if not order.source_id:
            return None
        customer, referrer = order.customer or NOBODY, order.referrer or NOBODY
        return GivenRow(
            number=record.number,
            source_id=order.source_id,
            status=order.status,
            amount=_amount(order),
            items_amount=items_amount(order.items),
            discount_amount=order.discount_amount,
            customer_id=order.customer_id or customer.id,
            customer_source_id=customer.source_id,
            referrer_id=order.referrer_id or referrer.id,
            referrer_source_id=referrer.source_id,
            metadata=self._metadata(order),
        )

    def _metadata(self, order: ComparedOrder) -> str | None:
        text = bytes(order.metadata)
        if not text.startswith(b"{"):
            return None
        if self._collects_keys:
            self._keys.update(dict.fromkeys(_decode_metadata(text)))
            if len(self._keys) > MAX_METADATA_KEYS:
                raise ConfigurationError(
                    f"The metadata of {self._source.name} have more than {MAX_METADATA_KEYS} different keys. Name "
                    "those to compare: compare=['status', 'amount', 'metadata.shop']."
                )
        return text.decode("utf-8", "replace")


def _amount(order: ComparedOrder) -> int | None:
    """Return the amount given, or else that of the items if each has one: Voucherify keeps their sum (documented)."""
    if order.amount is not None or any(item.total is None for item in order.items or ()):
        return order.amount
    return items_amount(order.items)


def _table(rows: list[GivenRow]) -> pa.Table:
    """Make a table by way of JSON lines: ``pa.array`` would import pandas (0.5 s, 60 MB)."""
    lines = _encode_rows(rows)
    return pyarrow.json.read_json(
        io.BytesIO(lines),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="error"),
    )
