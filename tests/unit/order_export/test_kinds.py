"""What each kind of export can be asked for."""

from __future__ import annotations

from typing import get_args

import pyarrow as pa
import pytest

from airflow_provider_voucherify.emulator.export_kinds import EXPORT_KINDS
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export import ExportConfig
from airflow_provider_voucherify.order_export.convert.header import match_columns
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.kinds import KINDS, ExportedObject
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output

WINDOW = {"window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize("name", KINDS)
def test_the_fields_and_sort_orders_are_those_that_the_emulator_knows(name):
    kind, known = KINDS[name], EXPORT_KINDS[name]
    if known.fields is not None:
        assert tuple(kind.fields) == known.fields
        assert set(kind.signed_sort_orders) == set(known.sort_orders or ())
    assert ExportRequest(exported_object=name).fields == tuple(kind.fields)


def test_there_is_an_entry_for_every_name():
    assert tuple(KINDS) == get_args(ExportedObject)


def test_types():
    fields = ["id", "birthdate", "orders_total_amount", "orders_last_order_date", "metadata", "metadata.age"]
    request = ExportRequest(exported_object="customer", fields=fields, metadata_schema={"age": "int8"})
    types = [str(field.type) for field in order_schema(request)]
    assert types == ["string", "date32[day]", "int64", "timestamp[ms, tz=UTC]", "string", "int8"]
    request = ExportRequest(exported_object="voucher", fields=["value", "active", "voucher_type"])
    assert order_schema(request).types == [pa.float64(), pa.bool_(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"exported_object": "customers"},
            "exported_object must be one of .*, got 'customers'; did you mean 'customer'",
        ),
        (
            {"exported_object": "redemption", "fields": ["vouchercode"]},
            "'vouchercode' is not a field of a redemption; did you mean 'voucher_code'?",
        ),
        (
            {"exported_object": "points_expiration", "fields": ["metadata.x"]},
            "'metadata.x' is not a field of a bucket of loyalty points. Allowed: id, .*, expires_at.",
        ),
        ({"exported_object": "product", "fields": ["prize"]}, "did you mean 'price'?"),
        (
            {"exported_object": "redemption", "sort_order": "-date"},
            "'-date' is not a sort order of an export of redemption.* Allowed: id, -id, voucher_code",
        ),
        (
            {"exported_object": "customer", "filters": {"adress.city": {"conditions": {"$is": "Bonn"}}}},
            "'adress.city' is not a field to filter by; did you mean 'address.X'?",
        ),
        (
            {"exported_object": "voucher", "filters": {"campaign": {"conditions": {"$is": "Summer"}}}},
            "'campaign' is not a field to filter by: the API documents it as a column of a voucher alone. Allowed: ",
        ),
        (
            {"exported_object": "redemption", "filters": {"campaign": {"conditions": {"$in": ["Summer"]}}}},
            r"filters: '\$in' of campaign is not a condition.* Allowed: \$is\.",
        ),
        ({"exported_object": "points_expiration", **WINDOW}, "no filter by time for an export of points_expiration"),
        ({"exported_object": "sku", **WINDOW}, "an export of sku has no 'updated_at'.* window_field='created_at'"),
    ],
)
def test_what_a_kind_does_not_have_is_refused_with_a_guess(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        ExportRequest(**parameters)


def test_windows_of_what_never_changes_are_of_its_creation():
    request = ExportRequest(exported_object="redemption", fields=["id"], **WINDOW)
    assert request.window is not None
    assert request.window.field == "created_at"
    request = ExportRequest(
        exported_object="customer", filters={"address.city": {"conditions": {"$is": "Bonn"}}}, **WINDOW
    )
    assert request.window is not None
    assert request.window.field == "updated_at"


def test_a_partition_is_sorted_by_what_the_api_can_sort_by(tmp_path):
    config = ExportConfig(partition_by="date")
    assert config.apply_to(ExportRequest(exported_object="redemption")).sort_order == "created_at"
    config = ExportConfig(partition_by="expiration_date")
    assert config.apply_to(ExportRequest(exported_object="voucher")).sort_order is None
    with pytest.raises(
        ConfigurationError, match=r"'date' is not a time of a voucher\. Allowed: start_date, expiration_date"
    ):
        ExportConfig(partition_by="date").apply_to(ExportRequest(exported_object="voucher"))


def test_the_files_of_two_kinds_do_not_replace_each_other(tmp_path):
    config = ExportConfig(max_rows_per_file=5)
    names = {
        Output.of(tmp_path, ExportRequest(exported_object=name, **window), config).file(None, 0).name
        for name in ("order", "redemption", "customer")
        for window in ({}, WINDOW)
    }
    assert len(names) == 6


def test_the_headers_of_a_kind_are_no_keys_of_its_metadata():
    known = KINDS["voucher"].field_names
    columns = match_columns(["Code", "Barcode", "season"], ["code", "metadata"], "it", None, known)
    assert (columns.metadata, columns.unknown) == ({"season": 2}, ("Barcode",))
    columns = match_columns(["Barcode", "Redemption Limit"], ["bar_code", "redemption_quantity"], "it", None, known)
    assert columns.fields == {"bar_code": 0, "redemption_quantity": 1}
