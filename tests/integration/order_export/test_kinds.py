"""Every kind of export through the emulator into Parquet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_export import ExportRequest
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.kinds import KINDS
from tests.integration.order_export.timeline import client_of, job_of, run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXTS = {"integer": "7700.00", "number": "12.5", "switch": "true", "date": "2026-01-01", "time": NOON.isoformat()}
VALUES = {"integer": 7700, "number": 12.5, "switch": True, "date": date(2026, 1, 1), "time": NOON}
OTHERS = {name: kind for name, kind in KINDS.items() if name != "order"}


def row_of(kind, number):
    texts = {name: TEXTS.get(field_type, f"{name} {number}") for name, field_type in kind.fields.items()}
    return texts | ({"metadata": {"number": number}} if "metadata" in kind.fields else {})


def value_of(name, field_type, number):
    return f'{{"number":{number}}}' if name == "metadata" else VALUES.get(field_type, f"{name} {number}")


@pytest.mark.parametrize("header_style", ["display", "label", "field"])
def test_each_kind_comes_with_the_fields_and_types_of_the_documents(tmp_path, header_style):
    rows = {name: [row_of(kind, number) for number in range(3)] for name, kind in OTHERS.items()}
    with Emulator(speed=5000, header_style=header_style, export_rows=rows) as emulator, client_of(emulator) as client:
        for name, kind in OTHERS.items():
            path = tmp_path / f"{name}.parquet"
            request = ExportRequest(exported_object=name)
            assert run(job_of(client, path, request=request)).rows == 3
            table = pq.read_table(path)
            assert table.schema.equals(order_schema(request))
            assert table.to_pylist() == [
                {field: value_of(field, field_type, number) for field, field_type in kind.fields.items()}
                for number in range(3)
            ]
        calls = emulator.calls()["calls"]
        assert (calls["POST /v1/exports"], calls.get("POST /v1/orders/export")) == (len(OTHERS), None)


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
def test_windows_are_half_open_for_every_kind_that_has_times(tmp_path, bounds):
    edge, day = timedelta(milliseconds=1), timedelta(days=1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start - edge, start, start + day - edge, start + day]

    def rows(kind):
        times = [moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") for moment in moments]
        created = [
            {"id": f"c{n}", "code": f"c{n}", "voucher_code": f"c{n}", kind.times["created_at"]: time}
            for n, time in enumerate(times)
        ]
        changed = (
            [
                {"id": f"u{n}", "code": f"u{n}", "created_at": "2020-01-01T00:00:00.000Z", "updated_at": time}
                for n, time in enumerate(times)
            ]
            if "updated_at" in kind.times
            else []
        )
        known = {*kind.fields}
        return [{name: value for name, value in row.items() if name in known} for row in created + changed]

    timed = {name: kind for name, kind in OTHERS.items() if kind.times}
    given = {name: rows(kind) for name, kind in timed.items()}
    with Emulator(speed=5000, window_bounds=bounds, export_rows=given) as emulator, client_of(emulator) as client:
        for name, kind in timed.items():
            key = next(key for key in ("id", "code", "voucher_code") if key in kind.fields)
            request = ExportRequest(
                exported_object=name,
                fields=[key],
                window_field="updated_at" if "updated_at" in kind.times else "created_at",
                window_start=start,
                window_end=start + day,
            )
            path = tmp_path / f"{name}.parquet"
            run(job_of(client, path, request=request))
            wanted = ["c1", "c2", "u1", "u2"] if "updated_at" in kind.times else ["c1", "c2"]
            assert sorted(pq.read_table(path)[key].to_pylist()) == wanted


def test_a_date_that_is_not_the_time_that_was_filtered_by_is_an_error(tmp_path):
    rows = [{"id": "r", "date": "2025-12-24T00:00:00.000Z", "created_at": "2026-01-01T10:00:00.000Z"}]
    request = ExportRequest(exported_object="redemption", window_start=NOON - timedelta(hours=6), window_end=NOON)
    with (
        Emulator(speed=5000, export_rows={"redemption": rows}) as emulator,
        client_of(emulator) as client,
        pytest.raises(ExportFileError, match="rows whose date is outside the window by created_at"),
    ):
        run(job_of(client, tmp_path / "redemptions.parquet", request=request))
    assert list(tmp_path.iterdir()) == []
