"""Import and export on a real Airflow, and what happens to it there: kills, restarts, clears, timeouts."""

from __future__ import annotations

import json
import signal

import pyarrow.parquet as pq
import pytest

from tests.orders import order
from tests.system.conftest import CHUNKS, ORDERS, SECRET

both_ways = pytest.mark.parametrize("way", ["worker", "deferred"])


@both_ways
def test_import(open_shop, way):
    shop = open_shop(import_base_ms=200)
    run = shop.import_orders(f"import_{way}")
    assert run.wait_for_end() == "success"
    shop.check_imported_once(run)
    assert run.tries == 1
    assert run.stored == {}


@both_ways
def test_export(open_shop, way):
    shop = open_shop(export_base_ms=3000)
    for number in range(7):
        shop.emulator.project.orders.create(order(number))
    run = shop.export_orders(f"export_{way}")
    assert run.wait_for_end() == "success"
    table = pq.read_table(shop.folder / f"{shop.name}.parquet")
    assert sorted(table["source_id"].to_pylist()) == [f"order-{number}" for number in range(7)]
    assert run.result["rows"] == 7
    assert shop.emulator.calls()["calls"]["POST /v1/orders/export"] == 1
