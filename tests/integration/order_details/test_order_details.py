"""Whole orders of windows, over orders that change, against the emulator."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import (
    ConfigurationError,
    ExportFileError,
    FencedError,
    PagingLimitError,
    PlanExceededError,
    TransportError,
)
from airflow_provider_voucherify.order_details import publish
from airflow_provider_voucherify.order_details.tables import COLUMNS, table_schema
from tests.documentation import PAGES
from tests.integration.order_details.details import (
    DAY,
    FIRST,
    LISTING,
    items,
    items_of_versions,
    job_of,
    put,
    run,
    table,
    versions,
    window,
)
from tests.integration.order_export.timeline import client_of

EDGES = (timedelta(0), timedelta(milliseconds=1), DAY - timedelta(milliseconds=1))


@pytest.mark.parametrize("new_updated", [False, True], ids=["no updated_at", "updated_at as created"])
def test_a_month_of_nights_has_every_item_of_every_version_once(tmp_path, new_updated):
    chance = random.Random(11)
    seen_items, seen_versions, given, calls = Counter(), Counter(), [], []
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        born: dict[str, datetime] = {}
        version: dict[str, int] = {}
        for day in range(30):

            def moment(start=FIRST + day * DAY):
                edge = chance.choice([*EDGES, None, None])
                return start + (timedelta(milliseconds=chance.randrange(86_400_000)) if edge is None else edge)

            changed = chance.sample(sorted(born), min(len(born), chance.choice([0, 30, 180, 420])))
            for name in changed:
                version[name] += 1
            new = [f"ord_{day}_{number}" for number in range(chance.choice([0, 20, 130]))]
            for name in new:
                version[name], born[name] = 1, moment()
            put(emulator, [(name, born[name], moment(), version[name]) for name in changed])
            put(emulator, [(name, born[name], born[name] if new_updated else None, 1) for name in new])
            night = sorted((name, version[name]) for name in (*changed, *new))
            path = tmp_path / str(day)
            of = window(FIRST + day * DAY, FIRST + (day + 1) * DAY)
            result = run(job_of(client, path, of))
            assert versions(path) == night
            assert items(path) == items_of_versions(night)
            assert result.rows == len(night)
            calls.append((result.api_calls, len(night)))
            seen_versions.update(versions(path))
            seen_items.update(items(path))
            given += night
            emulator.calls()
        assert all(made <= 1.1 * count / 100 + 5 for made, count in calls), calls
        assert seen_versions == Counter(given)
        assert seen_items == Counter(items_of_versions(given))


@pytest.mark.parametrize(
    "case", ["all changed", "updated_at as created", "some never changed", "one created meanwhile"]
)
def test_a_night_of_new_orders_is_not_read_twice(tmp_path, monkeypatch, case):
    minute, day = timedelta(minutes=1), [FIRST + n * timedelta(minutes=1) for n in range(950)]
    changed = [None if case == "updated_at as created" else moment + minute for moment in day]
    orders = [(f"ord_{n:03}", moment, changed[n] or moment, 1) for n, moment in enumerate(day)]
    if case == "some never changed":
        orders[100], orders[500] = (("never_0", day[100], None, 1), ("never_1", day[500], None, 1))
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [*orders, *((f"old_{n}", FIRST - n * minute, FIRST - n * minute, 1) for n in range(1, 250))])
        list_orders, calls = Endpoints.list_orders, Counter()

        def creating(self, **parameters):
            page = list_orders(self, **parameters)
            calls[parameters["sort_order"]] += 1
            if case == "one created meanwhile" and calls["-created_at"] == 2:
                put(emulator, [("later", FIRST + 2 * DAY, None, 1)])
            return page

        monkeypatch.setattr(Endpoints, "list_orders", creating)
        result = run(job_of(client, tmp_path, window(FIRST, FIRST + DAY)))
    assert versions(tmp_path) == sorted((name, 1) for name, *_ in orders)
    assert len(table(tmp_path, "orders")) == 950
    if case in ("all changed", "updated_at as created"):
        assert result.api_calls <= 1.1 * 950 / 100 + 5
    else:
        # the first page to choose by, then all ten, the front again, and the page leapt to in vain
        assert calls["-created_at"] == 13


def test_orders_that_change_between_pages_are_there_once_in_their_last_form(tmp_path, monkeypatch):
    chance = random.Random(5)
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        start, end = FIRST, FIRST + DAY
        put(emulator, [(f"ord_{n:04}", start - DAY, start + n * timedelta(seconds=1), 1) for n in range(700)])
        put(emulator, [(f"new_{n:04}", start + n * timedelta(seconds=1), None, 1) for n in range(450)])
        late = iter(range(40_000, 80_000))
        last = dict.fromkeys([*(f"ord_{n:04}" for n in range(700)), *(f"new_{n:04}" for n in range(450))], 1)
        born = {
            name: start - DAY if name.startswith("ord") else start + int(name[4:]) * timedelta(seconds=1)
            for name in last
        }
        gone = set()
        list_orders, left = Endpoints.list_orders, iter(range(12))

        def changing(self, **parameters):
            page = list_orders(self, **parameters)
            if next(left, None) is not None:
                for name in chance.sample(sorted(last.keys() - gone), 25):
                    last[name] += 1
                    after = chance.random() < 0.3  # after the window, which it leaves
                    moved = end + timedelta(hours=1) if after else start + timedelta(seconds=next(late))
                    gone.update({name} if after else ())
                    put(emulator, [(name, born[name], moved, last[name])])
            return page

        monkeypatch.setattr(Endpoints, "list_orders", changing)
        run(job_of(client, tmp_path, window(start, end)))
    found = dict(versions(tmp_path))
    assert len(found) == len(table(tmp_path, "orders"))
    assert {name: last[name] for name in last if name not in gone} == {
        name: version for name, version in found.items() if name not in gone
    }
    assert items(tmp_path) == items_of_versions(found.items())


def test_columns_keys_and_types(tmp_path):
    document = {
        "source_id": "o-1",
        "status": "PAID",
        "items": [
            {
                "source_id": "rose",
                "quantity": 2,
                "price": 500,
                "product": {"name": "Rose"},
                "metadata": {"färbung": "rot"},
            },
            {"source_id": "vase", "quantity": 1, "price": 1500},
        ],
        "customer": {"source_id": "ada"},
        "metadata": {"channel": "web"},
    }
    start = datetime.now(UTC) - timedelta(hours=1)
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        stored = client.create_order(document)
        client.create_order({"source_id": "o-2"})
        emulator.add_export_rows(
            "redemption",
            [{"id": f"r_{n}", "order_id": stored["id"], "date": "2026-01-01T10:00:00.123Z"} for n in (1, 2)],
        )
        result = run(job_of(client, tmp_path, window(start, datetime.now(UTC)), compression="gzip"))
    assert {name: one.rows for name, one in result.tables.items()} == {
        "orders": 2,
        "order_items": 2,
        "order_redemptions": 2,
    }
    assert result.unknown_fields == []
    for name in COLUMNS:
        assert ds.dataset(tmp_path / name, format="parquet").schema.equals(table_schema(name))
    order = next(row for row in table(tmp_path, "orders") if row["source_id"] == "o-1")
    assert (order["order_id"], order["id"], order["amount"], order["status"]) == (
        stored["id"],
        stored["id"],
        2500,
        "PAID",
    )
    assert (order["updated_at"], json.loads(order["metadata"])) == (None, {"channel": "web"})
    assert order["customer_id"] == stored["customer_id"] == json.loads(order["customer"])["id"]
    rows = table(tmp_path, "order_items")
    assert [(row["order_id"], row["item_index"], row["source_id"]) for row in rows] == [
        (stored["id"], 0, "rose"),
        (stored["id"], 1, "vase"),
    ]
    assert (rows[0]["price"], rows[0]["amount"], json.loads(rows[0]["metadata"])) == (500, 1000, {"färbung": "rot"})
    redemptions = table(tmp_path, "order_redemptions")
    assert [(row["order_id"], row["redemption_id"]) for row in redemptions] == [
        (stored["id"], "r_1"),
        (stored["id"], "r_2"),
    ]
    assert redemptions[0]["date"] == datetime(2026, 1, 1, 10, microsecond=123_000, tzinfo=UTC)
    manifest = json.loads(next(tmp_path.glob("_*.manifest.json")).read_bytes())
    assert manifest["rows"] == {"orders": 2, "order_items": 2, "order_redemptions": 2}
    assert sorted(file["path"] for file in manifest["files"]) == sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")
    )


def test_a_window_replaces_its_own_files_and_no_others(tmp_path):
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [(f"ord_{n}", FIRST + n * timedelta(hours=6), None, 1) for n in range(8)])
        for number in (0, 1, 0):
            of = window(FIRST + number * DAY, FIRST + (number + 1) * DAY)
            run(job_of(client, tmp_path, of, max_rows_per_file=3))
        assert len(list((tmp_path / "orders").iterdir())) == 4
        assert [name for name, _ in versions(tmp_path)] == [f"ord_{n}" for n in range(8)]
        put(emulator, [(f"ord_{n}", FIRST, FIRST + 5 * DAY, 2) for n in range(3)])
        run(job_of(client, tmp_path, window(FIRST, FIRST + DAY), max_rows_per_file=3, tables=["orders"]))
        assert [name for name, _ in versions(tmp_path)] == [f"ord_{n}" for n in range(3, 8)]
        empty = run(job_of(client, tmp_path, window(FIRST - DAY, FIRST)))
        assert (empty.rows, empty.tables["order_items"].parquet_files) == (0, 1)
        assert empty.api_calls == 1
    assert {path.name[0] for path in tmp_path.iterdir() if path.is_file()} == {"_"}


def test_beyond_the_listing_it_fails_naming_a_window_that_fits_or_reads_one_by_one(tmp_path):
    whole = window(FIRST, FIRST + DAY)
    second = timedelta(seconds=1)
    with Emulator(speed=5000, export_order_ms=0) as emulator, client_of(emulator) as client:
        orders = [(f"ord_{n:05}", FIRST, FIRST + n * second, 1) for n in range(10_150)]
        put(emulator, orders)
        fits = r"window_start='2026-01-01T00:02:30\.001Z' and window_end='2026-01-02T00:00:00\.000Z' fits"
        with pytest.raises(PagingLimitError, match=fits):
            run(job_of(client, tmp_path, whole))
        assert (
            emulator.calls()["calls"][LISTING] == 12
        )  # at once: by updated_at, the last page is looked at after the tenth
        with pytest.raises(PagingLimitError, match=r"the 9,250 that are left one by one .* max_calls allows 500"):
            run(job_of(client, tmp_path, whole, max_calls=500))
        assert list(tmp_path.rglob("*.parquet")) == []
        put(emulator, [(f"ord_{n:05}", FIRST - 90 * DAY, FIRST - n * second, 1) for n in range(300, 10_150)])
        put(emulator, [(f"old_{n:05}", FIRST, FIRST + 9 * DAY + n * second, 1) for n in range(10_000)])
        with pytest.raises(PagingLimitError, match="No window fits that ends so early"):
            run(job_of(client, tmp_path, whole))
        result = run(job_of(client, tmp_path, whole, max_calls=400))
        assert [name for name, _ in versions(tmp_path)] == [f"ord_{n:05}" for n in range(300)]
        assert (result.rows, result.changed_since, len(result.export_ids)) == (300, 0, 1)
        assert emulator.calls()["calls"]["GET /v1/orders/{orderId}"] == 300


def test_a_listing_that_is_not_sorted_is_an_error(tmp_path, monkeypatch):
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [(f"ord_{n}", FIRST + n * timedelta(hours=1), None, 1) for n in range(4)])
        list_orders = Endpoints.list_orders
        monkeypatch.setattr(
            Endpoints, "list_orders", lambda self, **given: list_orders(self, **(given | {"sort_order": "created_at"}))
        )
        with pytest.raises(TransportError, match="did not sort page 1 by created_at, newest first"):
            run(job_of(client, tmp_path, window(FIRST, FIRST + DAY)))


def test_a_value_that_is_not_what_the_api_documents_is_an_error(tmp_path, monkeypatch):
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [("ord_1", FIRST, None, 1)])
        list_orders = Endpoints.list_orders

        def strange(self, **parameters):
            page = list_orders(self, **parameters)
            for order in page.orders:
                order |= {"amount": "12.50", "loyalty": {}}
            return page

        monkeypatch.setattr(Endpoints, "list_orders", strange)
        with pytest.raises(ExportFileError, match=r"Order ord_1: amount is '12\.50', which is not a integer"):
            run(job_of(client, tmp_path, window(FIRST, FIRST + DAY)))
        assert list(tmp_path.rglob("*.parquet")) == []
        result = run(job_of(client, tmp_path, window(FIRST, FIRST + DAY), tables=["order_items"]))
        assert (result.tables.keys(), result.unknown_fields) == ({"order_items"}, [])


def test_a_window_that_is_not_over_is_refused(tmp_path):
    now = datetime.now(UTC)
    with (
        Emulator(speed=2000) as emulator,
        client_of(emulator) as client,
        pytest.raises(ConfigurationError, match="is still to come"),
    ):
        run(job_of(client, tmp_path, window(now - DAY, now + timedelta(hours=1))))


def test_a_retry_reads_only_the_pages_that_are_left_and_fences_the_first(tmp_path):
    of = window(FIRST, FIRST + DAY)
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [(f"ord_{n:04}", FIRST - DAY, FIRST + n * timedelta(seconds=1), 1) for n in range(550)])
        emulator.add_fault("plan_exceeded", route=LISTING, after=3, times=0)
        first = job_of(client, tmp_path, of, state_store=FileStateStore(tmp_path, "_state.json", owner="first"))
        with pytest.raises(PlanExceededError):
            run(first)
        emulator.clear_faults()
        before = emulator.calls()["calls"][LISTING]
        second = job_of(client, tmp_path, of, state_store=FileStateStore(tmp_path, "_state.json", owner="second"))
        second.open()
        with pytest.raises(FencedError):
            run(first)
        made = emulator.calls()["calls"][LISTING]
        result = run(second)
        assert made - before <= 1
        # the pages left, the front, those that never changed
        assert emulator.calls()["calls"][LISTING] - made == 3 + 1 + 1
    assert (result.rows, len(versions(tmp_path))) == (550, 550)
    assert [path.name for path in tmp_path.iterdir() if "spool" in path.name or "state" in path.name] == []


def test_memory_does_not_depend_on_the_number_of_orders(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "BATCH_BYTES", 100_000)

    def peak(count: int) -> int:
        path = tmp_path / str(count)
        with Emulator(speed=5000) as emulator, client_of(emulator) as client:
            put(emulator, [(f"ord_{n:05}", FIRST, FIRST + n * timedelta(seconds=1), 3) for n in range(count)])
            job = job_of(client, path, window(FIRST, FIRST + DAY))
            before = pa.total_allocated_bytes()
            tracemalloc.start()
            run(job)
            top = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
            tracemalloc.stop()
        return top

    small, large = peak(500), peak(4000)
    assert large < small + 4_000_000


def test_the_shown_query_finds_the_items_of_the_latest_versions_once(tmp_path):
    (query,) = re.findall(r"```sql\n(.*?)```", PAGES["docs/cookbook/line_items.md"], re.DOTALL)
    late = FIRST + DAY - timedelta(hours=1)
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [("late", late, None, 2), ("changing", FIRST, None, 3), ("emptied", FIRST, None, 1)])
        run(job_of(client, tmp_path, window(FIRST, FIRST + DAY)))
        put(emulator, [("changing", FIRST, FIRST + DAY, 1), ("emptied", FIRST, FIRST + DAY, 4)])
        run(job_of(client, tmp_path, window(FIRST + DAY, FIRST + 2 * DAY), window_lookback=timedelta(hours=2)))
    rows = duckdb.sql(query.replace("/tmp/voucherify/line_items", str(tmp_path))).to_arrow_table().to_pylist()
    assert sorted(row["source_id"] for row in rows) == ["changing-1-0", "late-2-0", "late-2-1"]
