"""Arrow's threads are done with our objects when a conversion is."""

from __future__ import annotations

import subprocess
import sys
import time

import pyarrow as pa
import pytest

from airflow_provider_voucherify.order_export.convert import csv_reader
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from tests.unit.order_export.files import download_of, read_and_release

HOW = ["whole", "left", "failing"]


@pytest.mark.parametrize("how", HOW)
def test_arrow_holds_nothing_of_ours_after_a_conversion(how):
    """Held objects have to be released by a thread of Arrow, which aborts the process if the interpreter has ended."""
    held = sum(reference() is not None for _ in range(200) for reference in read_and_release(how))
    assert held == 0


@pytest.mark.parametrize("how", HOW)
def test_processes_that_exit_right_after_a_conversion_exit_with_0(how):
    program = [sys.executable, "-m", "tests.unit.order_export.convert_and_exit", how, "32"]
    assert subprocess.check_output(program, text=True).strip() == "{0: 32}"


def test_arrow_reads_few_blocks_ahead(monkeypatch):
    monkeypatch.setattr(csv_reader, "READ_AHEAD_BYTES", 0)
    block_bytes = 1 << 18
    stream = CsvStream(download_of(b"id\n" + b"1234567\n" * (40 * block_bytes // 8)), "it")
    schema = pa.schema([("0", pa.binary())])
    rows = 0
    with csv_reader.CsvReader(stream, schema, block_bytes, lambda _: "skip") as reader:
        for number, batch in enumerate(reader, 1):
            rows += batch.num_rows
            if number in (1, 20):
                time.sleep(0.1)
            assert stream.size <= (number + csv_reader.MIN_BLOCKS + 1) * block_bytes
    assert rows == 40 * block_bytes // 8
