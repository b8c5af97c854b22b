"""
How fast an exported CSV file of orders becomes zstd Parquet, and in how much memory, beside what else could do it.

    python tests/benchmarks/export_conversion.py --rows 1000000 5000000 --repeat 3
    python tests/benchmarks/export_conversion.py --rows 200000 --metadata-bytes 8000

Each contender runs in a process of its own, from the same file on disk; ``engine over HTTP`` gets it from a server in
another process. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import urllib3

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.api.models import Export
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.order_export.kinds import KINDS
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window_parts import ExportPart

FIELDS = KINDS["order"].fields
HEADER = [name.replace("_", " ").title().replace("Id", "ID") for name in ORDER_FIELDS]
EXPORT_ID = "exp_benchmark"


def generate(path: Path, rows: int, metadata_bytes: int = 0) -> None:
    """Write orders as an export has them, about 190 bytes each, and more metadata in each if there shall be."""
    chance = random.Random(rows)
    start = datetime(2022, 1, 1)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

    def identifier(prefix: str) -> str:
        return prefix + "".join(chance.choices(letters, k=24))

    def moment(milliseconds: int) -> str:
        return (start + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds") + "Z"

    def note() -> dict[str, str]:
        return {"note": "".join(chance.choices(letters, k=64)) * (metadata_bytes // 64)} if metadata_bytes else {}

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for row in range(rows):
            amount, discount, items = chance.randrange(100, 10**6), chance.randrange(100), chance.randrange(50)
            writer.writerow(
                [
                    identifier("ord_"),
                    f"src-{row}",
                    moment(row * 977),
                    moment(row * 977 + chance.randrange(10**7)),
                    chance.choice(["CREATED", "PAID", "CANCELED", "FULFILLED"]),
                    amount,
                    discount,
                    items,
                    discount + items,
                    amount - discount - items,
                    identifier("cust_"),
                    "" if row % 3 else identifier("cust_"),
                    json.dumps({"payment_mean": chance.choice(["card", "cash"]), "n": row} | note()) if row % 4 else "",
                ]
            )


class FileClient:
    """A client whose export is a file on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_export(self, export_id: str) -> Export:
        return Export(id=export_id, status="DONE", exported_object="order", result={"url": "file"})

    def download_export(self, export_id: str, *, file: int = 0, link: str | None = None) -> Download:
        answer = requests.Response()
        answer.headers["Content-Length"] = str(self._path.stat().st_size)
        answer.raw = urllib3.HTTPResponse(self._path.open("rb"), preload_content=False)
        return Download(answer, str(self._path))


def engine(source: Path, target: Path) -> None:
    from airflow_provider_voucherify.order_export.download import download_to_parquet
    from airflow_provider_voucherify.order_export.sink.layout import Output

    parts, output = [ExportPart(export_id=EXPORT_ID)], Output(path=target)
    download_to_parquet(FileClient(source), parts, ExportRequest(), output)  # type: ignore[arg-type]


def engine_over_http(url: str, target: Path) -> None:
    from airflow_provider_voucherify.order_export.download import download_to_parquet
    from airflow_provider_voucherify.order_export.sink.layout import Output

    client = VoucherifyClient(Settings(app_id="id", app_token="token", base_url=url))
    download_to_parquet(client, [ExportPart(export_id=EXPORT_ID)], ExportRequest(), Output(path=target))


def pyarrow_streaming(source: Path, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    from airflow_provider_voucherify.order_export.convert.schema import dictionary_columns, order_schema

    schema = order_schema(ExportRequest())
    reader = pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(column_names=schema.names, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=schema, strings_can_be_null=True),
    )
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=dictionary_columns(schema)) as writer:
        batches: list[pa.RecordBatch] = []
        for batch in itertools.chain(reader, [None]):
            if batch is not None:
                batches.append(batch)
            if batches and (batch is None or sum(part.num_rows for part in batches) >= 131_072):
                writer.write_table(pa.Table.from_batches(batches).unify_dictionaries(), row_group_size=1 << 20)
                batches = []


def polars(source: Path, target: Path) -> None:
    import polars as pl

    types = {
        header: pl.Int64 if FIELDS[name] == "integer" else pl.String
        for header, name in zip(HEADER, ORDER_FIELDS, strict=True)
    }
    frame = pl.scan_csv(source, schema=types)
    times = [
        pl.col(header).str.to_datetime("%+", time_unit="ms", time_zone="UTC") for header in ("Created At", "Updated At")
    ]
    frame.with_columns(*times, pl.col("Status").cast(pl.Categorical)).rename(
        dict(zip(HEADER, ORDER_FIELDS, strict=True))
    ).sink_parquet(target, compression="zstd")


def duckdb(source: Path, target: Path) -> None:
    import duckdb as db

    names = {"integer": "BIGINT", "time": "TIMESTAMPTZ"}
    columns = {name: names.get(FIELDS[name], "VARCHAR") for name in ORDER_FIELDS}
    db.execute(
        f"COPY (SELECT * FROM read_csv('{source}', columns={columns}, header=true)) "
        f"TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )


def pandas(source: Path, target: Path) -> None:
    import pandas as pd

    types = {
        header: "Int64" if FIELDS[name] == "integer" else "category" if name == "status" else "string"
        for header, name in zip(HEADER, ORDER_FIELDS, strict=True)
        if not name.endswith("_at")
    }
    frame = pd.read_csv(source, dtype=types, parse_dates=["Created At", "Updated At"])
    frame.columns = list(ORDER_FIELDS)
    frame.to_parquet(target, compression="zstd")


OVER_HTTP = "engine over HTTP"
CONTENDERS: dict[str, tuple[Callable[[Any, Path], None], str]] = {
    "engine": (engine, "airflow_provider_voucherify.order_export.download"),
    OVER_HTTP: (engine_over_http, "airflow_provider_voucherify.order_export.download"),
    "pyarrow streaming, one thread": (pyarrow_streaming, "pyarrow.parquet"),
    "Polars sink_parquet": (polars, "polars"),
    "DuckDB COPY": (duckdb, "duckdb"),
    "pandas, typed": (pandas, "pandas"),
}


@contextmanager
def served(source: Path) -> Iterator[str]:
    """Serve a file as the export of a Voucherify."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/v1/exports/"):
                body = json.dumps(
                    {"id": EXPORT_ID, "status": "DONE", "exported_object": "order", "result": {"url": f"{url}/file"}}
                ).encode()
                self._head(len(body))
                self.wfile.write(body)
            else:
                self._head(source.stat().st_size)
                with source.open("rb") as file:
                    self.connection.sendfile(file)

        def _head(self, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()


@contextmanager
def served_elsewhere(source: Path) -> Iterator[str]:
    """Serve a file from another process."""
    command = [sys.executable, __file__, "--serve", str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield (server.stdout or io.StringIO()).readline().strip()
        finally:
            server.terminate()


def peak_megabytes() -> float:
    """Return the peak of this process. Not ``ru_maxrss``, which begins with what the parent process had."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def run_one(name: str, source: Path) -> None:
    """Run a contender and print its measures as JSON. The clock starts when its library is loaded."""
    contender, module = CONTENDERS[name]
    importlib.import_module(module)
    with (
        tempfile.TemporaryDirectory() as folder,
        served_elsewhere(source) if name == OVER_HTTP else nullcontext(source) as origin,
    ):
        target = Path(folder) / "orders.parquet"
        start, started_cpu = time.perf_counter(), time.process_time()
        contender(origin, target)
        measures = {
            "wall": time.perf_counter() - start,
            "cpu": time.process_time() - started_cpu,
            "peak": peak_megabytes(),
            "file": target.stat().st_size / 1e6,
        }
        print(json.dumps(measures))


def compare(source: Path, repeat: int) -> None:
    """Run all contenders in turns and print a table: the medians, and the ratio to the fastest of the others."""
    names = [name for name, (_, module) in CONTENDERS.items() if importlib.util.find_spec(module)]
    measures: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            command = [sys.executable, __file__, "--contender", name, "--source", str(source)]
            measures[name].append(json.loads(subprocess.check_output(command, text=True)))
    medians = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in measures.items()
    }
    size = source.stat().st_size / 1e6
    print(f"| {size:.0f} MB of CSV to Parquet | wall s | × fastest other | CPU s | peak MB | file MB |")
    print("|---|---|---|---|---|---|")
    fastest = min(median["wall"] for name, median in medians.items() if not name.startswith("engine"))
    for name, median in medians.items():
        ratio = median["wall"] / fastest
        print(
            f"| {name} | {median['wall']:.2f} | {ratio:.2f} | {median['cpu']:.2f} | {median['peak']:.0f} "
            f"| {median['file']:.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--metadata-bytes", type=int, default=0, help="so much more metadata in an order")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--source", type=Path, help="a CSV file made before")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with served(arguments.serve) as url:
            print(url, flush=True)
            threading.Event().wait()
    elif arguments.contender:
        run_one(arguments.contender, arguments.source)
    elif arguments.source:
        compare(arguments.source, arguments.repeat)
    else:
        for rows in arguments.rows:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "orders.csv"
                generate(source, rows, arguments.metadata_bytes)
                compare(source, arguments.repeat)


if __name__ == "__main__":
    main()
