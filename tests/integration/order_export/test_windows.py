"""Windows over orders that change, against the emulator."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ConfigurationError, ExportFailedError
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow, iso
from tests.integration.order_export.timeline import change, client_of, job_of, of_window, put, run

EXPORT = "POST /v1/orders/export"
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = ExportRequest(fields=["id", "amount"])
FILTERED = ExportRequest(fields=["id", "amount"], filters={"status": {"conditions": {"$is": ["PAID"]}}})
EDGES = (timedelta(0), timedelta(milliseconds=1), timedelta(seconds=1), DAY - timedelta(milliseconds=1))


def window(number, field="updated_at", days=1):
    return ExportWindow(field=field, start=FIRST + number * DAY, end=FIRST + (number + days) * DAY)


def rows(path):
    return sorted((row["id"], row["amount"]) for row in pq.read_table(path).to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("request_", [REQUEST, FILTERED], ids=["alone", "with filters"])
@pytest.mark.parametrize("born_updated", [False, True], ids=["no updated_at", "updated_at as created"])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_a_month_of_nights_has_each_version_once(tmp_path, bounds, born_updated, request_):
    chance = random.Random(7)
    path = tmp_path / "night.parquet"
    seen, nights, versions = Counter(), [], []
    with Emulator(speed=2000, window_bounds=bounds) as emulator, client_of(emulator) as client:
        orders, touched = [], {}
        for day in range(30):

            def moment(start=FIRST + day * DAY):
                edge = chance.choice([*EDGES, None])
                return start + (timedelta(milliseconds=chance.randrange(86_400_000)) if edge is None else edge)

            for name in chance.sample(orders, min(len(orders), 6)):
                change(emulator, name, moment())
                touched[name] = (day, touched[name][1] + 1)
                versions.append((name, touched[name][1]))
            for number in range(5):
                name, born = f"ord_{day}_{number}", moment()
                put(emulator, [(name, born, born if born_updated else None, 1)])
                orders.append(name)
                touched[name] = (day, 1)
                versions.append((name, 1))
            result = run(job_of(client, path, request=request_, window=window(day)))
            night = rows(path)
            assert result.rows == len(night)
            assert pq.read_schema(path).names == ["id", "amount"]
            run(job_of(client, path, request=request_, window=window(day)))
            assert rows(path) == night
            seen.update(night)
            nights.append(night)
        assert seen == Counter(versions)
        for day, night in enumerate(nights):
            run(job_of(client, path, request=request_, window=window(day)))
            assert rows(path) == [(name, version) for name, version in night if touched[name] == (day, version)]


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_a_window_by_created_at_is_half_open(tmp_path, bounds, is_known):
    path = tmp_path / "orders.parquet"
    answers = dict.fromkeys(("after_includes_bound", "before_includes_bound"), bounds == "inclusive")
    facts = Facts(answers=answers if is_known else {})
    with Emulator(speed=2000, window_bounds=bounds) as emulator, client_of(emulator, facts) as client:
        edge = timedelta(milliseconds=1)
        moments = [FIRST - edge, FIRST, FIRST + DAY - edge, FIRST + DAY]
        put(emulator, [(f"ord_{number}", moment, FIRST + 9 * DAY, 1) for number, moment in enumerate(moments)])
        run(job_of(client, path, request=REQUEST, window=window(0, "created_at")))
        (asked,) = [
            export.parameters["filters"]["created_at"]["conditions"] for export in client.list_exports().exports
        ]
    assert rows(path) == [("ord_1", 1), ("ord_2", 1)]
    more = timedelta(milliseconds={"inclusive": 0, "exclusive": 1}[bounds] if is_known else 1000)
    assert asked == {"$after": [iso(FIRST - more)], "$before": [iso(FIRST + DAY + more)]}


@pytest.mark.parametrize("request_", [REQUEST, FILTERED], ids=["alone", "with filters"])
def test_a_window_that_ends_in_error_is_split(tmp_path, request_):
    path = tmp_path / "orders.parquet"
    with Emulator(speed=2000, window_bounds="inclusive", export_files=2) as emulator, client_of(emulator) as client:
        # one order a second around the seams, each a version of its own
        moments = [FIRST + timedelta(hours=6 * quarter, seconds=step) for quarter in range(5) for step in (-1, 0, 1)]
        put(emulator, [(f"ord_{n:02}", moment, None, n) for n, moment in enumerate(moments)])
        emulator.add_fault("export_error", times=3)
        result = run(job_of(client, path, request=request_, window=window(0)))
        assert emulator.calls()["calls"][EXPORT] > 3
    inside = [number for number, moment in enumerate(moments) if FIRST <= moment < FIRST + DAY]
    assert rows(path) == [(f"ord_{number:02}", number) for number in inside]
    assert len(result.export_ids) == (4 if request_ is REQUEST else 5)
    assert result.files == 2 * len(result.export_ids)
    assert result.export_id == result.export_ids[0]


@pytest.mark.parametrize("request_", [REQUEST, FILTERED], ids=["alone", "with filters"])
def test_a_lookback_brings_what_became_visible_late_and_no_doubles_by_id(tmp_path, request_):
    late, merged = FIRST + DAY - timedelta(minutes=30), {}
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        put(emulator, [("ord_1", FIRST, None, 1), ("ord_2", late, None, 1), ("ord_3", FIRST - DAY, FIRST, 1)])
        for night in range(2):
            request = msgspec.structs.replace(of_window(request_, window(night)), window_lookback=3600.0)
            result = run(job_of(client, tmp_path, request=request, max_rows_per_file=10))
            (path,) = tmp_path.glob(f"{window(night).name}-*.parquet")
            merged |= dict(rows(path))
            if night == 0:
                assert (result.window["start"], result.window["end"]) == (
                    "2025-12-31T23:00:00Z",
                    "2026-01-02T00:00:00Z",
                )
                change(emulator, "ord_1", FIRST + DAY + timedelta(hours=1))
                put(emulator, [("ord_late", late, None, 1)])
        assert rows(path) == [("ord_1", 2), ("ord_2", 1), ("ord_late", 1)]
    assert merged == {"ord_1": 2, "ord_2": 1, "ord_3": 1, "ord_late": 1}


def test_splitting_is_bounded_and_a_retry_asks_anew(tmp_path):
    path = tmp_path / "orders.parquet"
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        emulator.add_fault("export_error", times=0)
        with pytest.raises(ExportFailedError, match="after 2 splits of its window"):
            run(job_of(client, path, request=REQUEST, window=window(0), max_window_splits=2))
        assert list(tmp_path.iterdir()) == []
        assert 3 <= emulator.calls()["calls"][EXPORT] <= 5  # both halves may have ended when one is looked at
        with pytest.raises(ExportFailedError, match=r"^With connection 'shop': Export \w+ ended in ERROR"):
            run(job_of(client, path, request=REQUEST))


def test_a_window_that_is_not_over_is_refused_before_it_is_asked_for(tmp_path):
    future = ExportWindow(field="updated_at", start=FIRST, end=datetime.now(UTC) + DAY)
    with Emulator(speed=2000) as emulator, client_of(emulator) as client:
        with pytest.raises(ConfigurationError, match="is still to come"):
            run(job_of(client, tmp_path / "orders.parquet", window=future))
        assert EXPORT not in emulator.calls()["calls"]
