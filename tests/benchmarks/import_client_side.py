"""
How fast orders in files become the bodies of import requests, and in how much memory, beside what else could do it.

    python tests/benchmarks/import_client_side.py --orders 1000000 --repeat 3

No server: each contender reads a file and builds bodies of 2000 orders, in a process of its own. The engine validates
every order on the way; the others do not. The ratios are the wall and CPU time of the first contender of a format by
those of this one; on a machine that is busy otherwise the latter say more. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib
import importlib.util
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

A_BODY = 2000
ITEM_FIELDS = ("source_id", "related_object", "quantity", "price", "amount")


def orders(count: int) -> Iterator[dict[str, Any]]:
    """Make orders with 3 items each, of some 470 bytes."""
    chance = random.Random(count)
    for number in range(count):
        items = []
        for _ in range(3):
            quantity, price = chance.randrange(1, 5), chance.randrange(100, 20_000)
            values = (f"sku-{chance.randrange(5000)}", "sku", quantity, price, quantity * price)
            items.append(dict(zip(ITEM_FIELDS, values, strict=True)))
        yield {
            "source_id": f"order-{number:09}",
            "status": chance.choice(["PAID", "FULFILLED"]),
            "amount": sum(item["amount"] for item in items),
            "customer": {"source_id": f"cust-{chance.randrange(10**6)}"},
            "items": items,
            "metadata": {
                "ordered_at": "2023-05-01T12:00:00Z",
                "channel": chance.choice(["web", "app", "store"]),
                "store": chance.randrange(300),
                "gift": False,
            },
        }


def generate(folder: Path, count: int) -> None:
    """Write the same orders in every format."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, writer = None, None
    with (
        (folder / "orders.jsonl").open("w") as lines,
        (folder / "orders.json").open("w") as whole,
        (folder / "orders.csv").open("w", newline="") as table,
        gzip.open(folder / "orders.jsonl.gz", "wt", compresslevel=1) as packed,
    ):
        rows = csv.writer(table)
        rows.writerow(["source_id", "status", "amount", "customer.source_id", "items", "metadata"])
        whole.write("[")
        made = orders(count)
        comma = ""
        while batch := list(itertools.islice(made, 131_072)):
            for order in batch:
                line = json.dumps(order, separators=(",", ":"))
                lines.write(line + "\n")
                packed.write(line + "\n")
                whole.write(comma + line)
                comma = ",\n"
                values = [order["source_id"], order["status"], order["amount"], order["customer"]["source_id"]]
                rows.writerow([*values, json.dumps(order["items"]), json.dumps(order["metadata"])])
            arrow = pa.Table.from_pylist(batch, schema)
            schema = arrow.schema
            writer = writer or pq.ParquetWriter(folder / "orders.parquet", schema, compression="zstd")
            writer.write_table(arrow)
        whole.write("]")
    if writer is not None:
        writer.close()


def batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Take some thousand at a time."""
    iterator = iter(values)
    while batch := list(itertools.islice(iterator, A_BODY)):
        yield batch


def engine(path: Path) -> int:
    from airflow_provider_voucherify.order_import.chunk import chunks
    from airflow_provider_voucherify.order_source.findings import Findings
    from airflow_provider_voucherify.order_source.open_source import open_source
    from airflow_provider_voucherify.order_source.source import Cursor

    made = chunks(open_source(paths=path).read(), Cursor(), findings=Findings())
    return sum(len(chunk.orders) for chunk in made if chunk.body())


def engine_and_duplicates(path: Path) -> int:
    from airflow_provider_voucherify.order_import.chunk import chunks
    from airflow_provider_voucherify.order_source.duplicates import Duplicates, find_duplicates
    from airflow_provider_voucherify.order_source.open_source import open_source
    from airflow_provider_voucherify.order_source.rules import Rules
    from airflow_provider_voucherify.order_source.source import Cursor

    source = open_source(paths=path)
    rules = Rules(duplicates=Duplicates(source, find_duplicates(source, "error")))
    return sum(len(chunk.orders) for chunk in chunks(source.read(), Cursor(), rules=rules) if chunk.body())


def duplicates_alone(path: Path) -> int:
    from airflow_provider_voucherify.order_source.duplicates import find_duplicates
    from airflow_provider_voucherify.order_source.open_source import open_source

    return find_duplicates(open_source(paths=path), "error").records


def json_lines(path: Path) -> int:
    with path.open() as file:
        return sum(len(batch) for batch in batches(map(json.loads, file)) if json.dumps(batch).encode())


def orjson_lines(path: Path) -> int:
    import orjson

    with path.open("rb") as file:
        return sum(len(batch) for batch in batches(map(orjson.loads, file)) if orjson.dumps(batch))


def lines_unread(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(batch) for batch in batches(file) if b"[" + b",".join(batch) + b"]")


def gzip_json_lines(path: Path) -> int:
    with gzip.open(path, "rt") as file:
        return sum(len(batch) for batch in batches(map(json.loads, file)) if json.dumps(batch).encode())


def json_whole(path: Path) -> int:
    return sum(len(batch) for batch in batches(json.loads(path.read_text())) if json.dumps(batch).encode())


def ijson_items(path: Path) -> int:
    import ijson

    with path.open("rb") as file:
        items = ijson.items(file, "item", use_float=True)
        return sum(len(batch) for batch in batches(items) if json.dumps(batch).encode())


def to_pylist(path: Path) -> int:
    import orjson
    import pyarrow.parquet as pq

    total = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=A_BODY):
        total += batch.num_rows
        orjson.dumps(batch.to_pylist())
    return total


def polars(path: Path) -> int:
    import polars as pl

    total = 0
    frame = pl.scan_parquet(path).select(pl.struct(pl.all()).struct.json_encode())
    while texts := frame.slice(total, 100_000).collect().to_series().to_list():
        total += sum(len(batch) for batch in batches(texts) if ("[" + ",".join(batch) + "]").encode())
    return total


def duckdb(path: Path) -> int:
    import duckdb as db

    db.execute("SET threads = 2")
    result = db.execute(f"SELECT to_json(orders)::VARCHAR FROM read_parquet('{path}') AS orders")
    total = 0
    while rows := result.fetchmany(A_BODY):
        total += len(rows)
        ("[" + ",".join(row[0] for row in rows) + "]").encode()
    return total


def dict_reader(path: Path) -> int:
    def order(row: dict[str, str]) -> dict[str, Any]:
        return {
            "source_id": row["source_id"],
            "status": row["status"],
            "amount": int(row["amount"]),
            "customer": {"source_id": row["customer.source_id"]},
            "items": json.loads(row["items"]),
            "metadata": json.loads(row["metadata"]),
        }

    with path.open(newline="") as file:
        rows = map(order, csv.DictReader(file))
        return sum(len(batch) for batch in batches(rows) if json.dumps(batch).encode())


ENGINE_MODULES = (
    "airflow_provider_voucherify.order_source.duplicates",
    "airflow_provider_voucherify.order_import.chunk",
)
ARROW_MODULES = (*ENGINE_MODULES, "airflow_provider_voucherify.order_source.tables", "pyarrow.parquet")

# what it does, and the modules it needs, imported before the time begins
Contender = tuple[Callable[[Path], int], tuple[str, ...]]
ENGINE, CHECKED = "engine", "engine, and no source_id twice"

FORMATS: dict[str, dict[str, Contender]] = {
    "orders.jsonl": {
        "json.loads + json.dumps": (json_lines, ()),
        "orjson": (orjson_lines, ("orjson",)),
        "lines joined unread": (lines_unread, ()),
        ENGINE: (engine, ENGINE_MODULES),
        CHECKED: (engine_and_duplicates, ENGINE_MODULES),
        "the search for repeated source_ids alone": (duplicates_alone, ENGINE_MODULES),
    },
    "orders.jsonl.gz": {
        "gzip + json.loads + json.dumps": (gzip_json_lines, ()),
        ENGINE: (engine, ENGINE_MODULES),
    },
    "orders.json": {
        "json.loads of the whole + json.dumps": (json_whole, ()),
        "ijson + json.dumps": (ijson_items, ("ijson",)),
        ENGINE: (engine, ENGINE_MODULES),
    },
    "orders.parquet": {
        "to_pylist + orjson": (to_pylist, ("orjson", "pyarrow.parquet")),
        "Polars json_encode": (polars, ("polars",)),
        "DuckDB to_json": (duckdb, ("duckdb",)),
        ENGINE: (engine, ARROW_MODULES),
        CHECKED: (engine_and_duplicates, ARROW_MODULES),
    },
    "orders.csv": {
        "DictReader + json.loads of items + json.dumps": (dict_reader, ()),
        ENGINE: (engine, ENGINE_MODULES),
        CHECKED: (engine_and_duplicates, ENGINE_MODULES),
    },
}


def measure(path: Path, name: str) -> None:
    """Run one contender in this process, and print seconds, megabytes and orders."""
    contender, modules = FORMATS[path.name][name]
    for module in modules:
        importlib.import_module(module)
    start, busy = time.perf_counter(), time.process_time()
    count = contender(path)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, count)


def in_process(*arguments: str) -> str:
    """Run this file in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measured(path: Path, name: str, given: int) -> tuple[float, float, float]:
    """Run one contender in a process of its own: wall seconds, CPU seconds, megabytes."""
    seconds, busy, megabytes, count = in_process("--measure", str(path), name).split()
    if int(count) != given:
        raise SystemExit(f"{name} read {count} orders of {path.name} instead of {given}")
    return float(seconds), float(busy), float(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "CONTENDER"), help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        generate(options.generate, options.orders)
        return
    if options.measure:
        measure(Path(options.measure[0]), options.measure[1])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_process("--generate", name, "--orders", str(options.orders))  # or its peak would be that of its children
        for file in options.formats:
            path = folder / file
            contenders = [
                name
                for name, (_, modules) in FORMATS[file].items()
                if all(importlib.util.find_spec(module.partition(".")[0]) for module in modules)
            ]
            print(f"\n{options.orders:,} orders in {file} ({path.stat().st_size / 1e6:,.0f} MB)\n")
            print(
                "| contender | wall s | ratio | CPU s | ratio | peak MB |\n|---|---:|---:|---:|---:|---:|", flush=True
            )
            runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
            for _ in range(options.repeat):  # in turns, so that what else the machine does strikes all of them
                for name in contenders:
                    runs[name].append(measured(path, name, options.orders))
            first = [statistics.median(values) for values in zip(*runs[contenders[0]], strict=True)]
            for name, results in runs.items():
                wall, busy, _ = (statistics.median(values) for values in zip(*results, strict=True))
                peak = max(megabytes for *_, megabytes in results)
                times = f"{wall:.2f} | {first[0] / wall:.2f} | {busy:.2f} | {first[1] / busy:.2f}"
                print(f"| {name} | {times} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
