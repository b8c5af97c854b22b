"""Random orders, and files of them in every format."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from airflow_provider_voucherify.order_source import open_source
from airflow_provider_voucherify.order_source.schema.order import NULL_MARKERS
from airflow_provider_voucherify.order_source.source import Source

Order = dict[str, Any]

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
ids = text.filter(lambda value: value not in NULL_MARKERS)
amounts = st.integers(-(2**53), 2**53)
names = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=6)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Order]:
    """Make objects with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


metadata = st.dictionaries(names, text, min_size=1, max_size=3)
items = st.lists(
    some(
        source_id=ids,
        related_object=st.sampled_from(["product", "sku"]),
        quantity=st.integers(1, 1000),
        initial_quantity=st.integers(1, 1000),
        price=amounts,
        amount=amounts,
        product=some(name=text, override=st.booleans(), price=st.integers(0, 10**6)).filter(bool),
        metadata=metadata,
    ).filter(bool),
    min_size=1,
    max_size=3,
)
orders = some(
    source_id=ids,
    status=st.sampled_from(["CREATED", "PAID", "CANCELED", "FULFILLED"]),
    amount=amounts,
    discount_amount=amounts,
    items=items,
    metadata=metadata,
    customer=some(source_id=ids, email=text.filter(bool), metadata=metadata).filter(bool),
    referrer_id=ids,
)


def write_jsonl(path: Path, given: Sequence[Order], newline: str = "\n", last: str = "\n") -> Path:
    lines = [json.dumps(order, ensure_ascii=False) for order in given]
    path.write_bytes((newline.join(lines) + (last if lines else "")).encode())
    return path


def write_json(path: Path, given: Sequence[Order], **options: Any) -> Path:
    path.write_bytes(json.dumps(given, **options).encode())
    return path


def flat(order: Order) -> dict[str, str]:
    """Name the fields of an order by paths, as a CSV file does."""
    row: dict[str, str] = {}
    for name, value in order.items():
        if name == "metadata" or (name == "customer" and not isinstance(value, str)):
            for key, inner in value.items():
                row[f"{name}.{key}"] = json.dumps(inner, ensure_ascii=False) if isinstance(inner, dict) else inner
        elif isinstance(value, list):
            row[name] = json.dumps(value, ensure_ascii=False)
        else:
            row[name] = str(value)
    return row


def write_csv(path: Path, given: Sequence[Order], **options: Any) -> Path:
    rows = [flat(order) for order in given]
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["source_id"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


ITEM = pa.struct(
    {
        "source_id": pa.string(),
        "related_object": pa.string(),
        "quantity": pa.int32(),
        "initial_quantity": pa.int64(),
        "price": pa.int64(),
        "amount": pa.int64(),
        "product": pa.struct({"name": pa.string(), "override": pa.bool_(), "price": pa.float64()}),
        "metadata": pa.map_(pa.string(), pa.string()),
    }
)
SCHEMA = pa.schema(
    {
        "source_id": pa.string(),
        "status": pa.dictionary(pa.int32(), pa.string()),
        "amount": pa.int64(),
        "discount_amount": pa.decimal128(20, 2),
        "items": pa.list_(ITEM),
        "metadata": pa.map_(pa.string(), pa.string()),
        "customer": pa.struct(
            {"source_id": pa.string(), "email": pa.large_string(), "metadata": pa.map_(pa.string(), pa.string())}
        ),
        "referrer_id": pa.string(),
    }
)


def table(given: Sequence[Order]) -> pa.Table:
    return pa.Table.from_pylist([dict(order) for order in given], SCHEMA)


def write_parquet(path: Path, given: Sequence[Order]) -> Path:
    pq.write_table(table(given), path, row_group_size=max(3, len(given) // 10))
    return path


def gzipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    return packed


def zstandard(path: Path) -> Path:
    packed = path.with_name(path.name + ".zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as out:
        out.write(path.read_bytes())
    return packed


FILES = {
    "jsonl": lambda folder, orders: write_jsonl(folder / "orders.jsonl", orders),
    "jsonl without a last newline": lambda folder, orders: write_jsonl(folder / "orders.jsonl", orders, last=""),
    "jsonl with CRLF and empty lines": lambda folder, orders: write_jsonl(
        folder / "orders.ndjson", orders, newline="\r\n\r\n \n", last="\n\n"
    ),
    "jsonl.gz": lambda folder, orders: gzipped(write_jsonl(folder / "orders.jsonl", orders)),
    "jsonl.zst": lambda folder, orders: zstandard(write_jsonl(folder / "orders.jsonl", orders)),
    "jsonl named json": lambda folder, orders: write_jsonl(folder / "orders.json", orders or [{}]),
    "json": lambda folder, orders: write_json(folder / "orders.json", orders, ensure_ascii=False),
    "json with indents": lambda folder, orders: write_json(folder / "orders.json", orders, indent=2),
    "json.gz": lambda folder, orders: gzipped(write_json(folder / "orders.json", orders)),
    "csv": lambda folder, orders: write_csv(folder / "orders.csv", orders),
    "csv with semicolons": lambda folder, orders: write_csv(
        folder / "orders.csv", orders, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL
    ),
    "tsv.zst": lambda folder, orders: zstandard(write_csv(folder / "orders.tsv", orders, delimiter="\t")),
    "parquet": lambda folder, orders: write_parquet(folder / "orders.parquet", orders),
}


def source(orders: Any = None, paths: Any = None, **options: Any) -> Source:
    """Open orders that need neither a ``source_id`` nor amounts above zero."""
    return open_source(
        orders, paths, **{"require_source_id": False, "negative_amounts": "send", "amount_unit": "minor", **options}
    )
