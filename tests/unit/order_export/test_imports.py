"""What a DAG file pays for, and what a task."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("statement", "not_loaded"),
    [
        (
            "from airflow_provider_voucherify.order_export import ExportConfig, ExportJob",
            {"pyarrow", "pandas", "numpy", "airflow"},
        ),
        ("import airflow_provider_voucherify.order_export.request", {"pyarrow", "pandas", "numpy", "airflow"}),
        ("import airflow_provider_voucherify.order_export.download", {"pandas", "airflow"}),
    ],
)
def test_importing_loads_no_more_than_it_must(statement, not_loaded):
    program = f"import sys; {statement}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "airflow_provider_voucherify.order_export" in loaded
    assert not_loaded.isdisjoint(loaded)


def test_a_conversion_loads_no_pandas():
    """pyarrow imports it for ``pa.array`` and ``pa.scalar``, which costs half a second and 60 MB."""
    content = 'id,amount,status,metadata.a\n1,x,PAID,"q"""\n2,5,,\n3, 7 ,,"\n"\n1,2\n'
    program = """
import sys
from tests.unit.order_export.files import convert_file
table, bad_rows = convert_file(sys.stdin.buffer.read(), ["id", "amount", "status", "metadata", "metadata.a"])
print(table.num_rows, len(bad_rows), "pandas" in sys.modules)
"""
    told = subprocess.check_output([sys.executable, "-c", program], input=content, text=True)
    assert told.split() == ["2", "2", "False"]
