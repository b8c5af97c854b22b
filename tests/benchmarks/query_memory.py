"""
How much memory the rows of a query take, and how fast they become orders: 50,000 rows beside 5,000,000.

    python tests/benchmarks/query_memory.py --rows 50000 5000000

A Postgres of its own makes the rows. Each size is measured in a process of its own (VmHWM): the query and its spool,
the check for repeated ids, and all orders checked, as an import does it. ``items`` adds a second query, with two items
for each order: of a third as many orders, so that there are as many rows. The last column is the peak by that of the
first size.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_voucherify.order_source import Query, open_source
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.duplicates import find_duplicates

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script finds what lies beside it alone

from tests.system import services

ORDERS = """
    SELECT 'order-' || g AS source_id, (ARRAY['PAID', 'FULFILLED'])[1 + g % 2] AS status,
        round(g % 10000 / 100.0, 2)::numeric(12,2) AS amount, 'cust-' || g % 1000000 AS "customer.source_id",
        timestamptz '2023-01-01' + g * interval '1 second' AS created_at, 'web' AS "metadata.channel",
        jsonb_build_object('gift', g % 3 = 0) AS "metadata.extra"
    FROM generate_series(1, {count}) g
"""
ITEMS = """
    SELECT 'order-' || g AS order_id, 'sku-' || (g + n) % 5000 AS "product.source_id", n AS quantity, 1.25 AS price
    FROM generate_series(1, {count}) g, generate_series(1, 2) n ORDER BY g
"""


def read(url: str, rows: int, items: bool) -> None:
    """Do in this process what an import does before it sends, and print the peak of memory and the times."""
    import psycopg2

    count = rows // 3 if items else rows
    extra = {"items_sql": ITEMS.format(count=count), "items_key": "order_id"} if items else {}
    query = Query(sql=ORDERS.format(count=count), connect=lambda: psycopg2.connect(f"postgresql://{url}"), **extra)
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(query=query, spool=Path(folder), amount_unit="major", order_date_metadata_key="ordered_at")
        started = time.perf_counter()
        source.fingerprint()
        spooled = time.perf_counter()
        assert len(find_duplicates(source, "error")) == 0
        good = sum(one.error is None for one in checked(source.read()))
        assert good == count
        done = time.perf_counter()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(int(peak) / 1024, spooled - started, done - spooled, size / 1e6)


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 5_000_000])
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        url, rows, kind = options.read
        read(url, int(rows), kind == "items")
        return
    print(f"{'query':<8}{'rows':>11}{'peak MB':>10}{'spool s':>10}{'read s':>10}{'spool MB':>10}{'by first':>10}")
    with services.postgres() as url:
        for kind in ("orders", "items"):
            first = None
            for rows in options.rows:
                command = [sys.executable, __file__, "--read", url, str(rows), kind]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                peak, spooled, checked_in, size = map(float, done.stdout.splitlines()[-1].split())  # after the log
                first = first or peak
                figures = f"{peak:>10.1f}{spooled:>10.1f}{checked_in:>10.1f}{size:>10.1f}{peak / first:>10.2f}"
                print(f"{kind:<8}{rows:>11,}{figures}", flush=True)


if __name__ == "__main__":
    main()
