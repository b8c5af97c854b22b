"""What an export may be asked for."""

from __future__ import annotations

import json

import msgspec
import pyarrow as pa
import pytest

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.api.models import Export
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.convert.schema import arrow_type, order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest


def test_all_order_fields_are_the_default():
    assert ExportRequest().fields == ORDER_FIELDS


def test_typed_metadata_keys_are_among_the_default_fields():
    request = ExportRequest(metadata_schema={"score": "int64"})
    assert request.fields == (*ORDER_FIELDS, "metadata.score")


def test_a_request_survives_json():
    request = ExportRequest(
        fields=["id", "metadata.score"],
        filters={"status": {"conditions": {"$is": ["PAID"]}}, "junction": "or"},
        sort_order="-updated_at",
        metadata_schema={"score": pa.int64()},
    )
    assert ExportRequest(**json.loads(json.dumps(msgspec.structs.asdict(request)))) == request


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fields": ["id", "sourceid"]}, "fields: 'sourceid' is not a field of an order; did you mean 'source_id'?"),
        ({"fields": ["items"]}, "Allowed: id, source_id, .*, metadata, metadata.X."),
        ({"fields": ["metadata."]}, "'metadata.' is not a field"),
        ({"fields": ["id", "amount", "id"]}, "fields: id is named more than once"),
        ({"fields": []}, "at least one name, got \\[\\]"),
        ({"fields": "id"}, "at least one name, got 'id'"),
        ({"fields": ["id", 7]}, "got \\['id', 7\\]"),
        (
            {"sort_order": "amount"},
            "sort_order: 'amount' is not a sort order of an export.* Allowed: created_at, -created_at, updated_at",
        ),
        ({"sort_order": "createdat"}, "did you mean 'created_at'"),
        (
            {"metadata_schema": {"loyal": "boolean?"}},
            "'boolean\\?' of 'loyal' is not a type for a column. Allowed: string",
        ),
        ({"metadata_schema": {"loyal": "list<item: string>"}}, "is not a type for a column"),
        ({"metadata_schema": {"loyal": "decimal128(60, 2)"}}, "is not a type for a column"),
        ({"fields": ["id"], "metadata_schema": {"loyal": "bool"}}, "'metadata.loyal' is not among the fields"),
        ({"filters": ["status"]}, "filters must be an object"),
        ({"filters": {"junction": "xor"}}, "junction must be 'and' or 'or', got 'xor'"),
        ({"filters": {"totalamount": {}}}, "'totalamount' is not a field to filter by; did you mean 'total_amount'?"),
        ({"filters": {"metadata": {"conditions": {"$is": ["x"]}}}}, "'metadata' is not a field to filter by"),
        ({"filters": {"status": {"$is": ["PAID"]}}}, "filters: status must be like"),
        ({"filters": {"status": {"conditions": {}}}}, "filters: status must be like"),
        ({"filters": {"status": "PAID"}}, "filters: status must be like"),
        ({"filters": {"amount": {"conditions": {"$more_then": 1}}}}, "'\\$more_then' of amount .* mean '\\$more_than'"),
        ({"filters": {"amount": {"conditions": {"$is": [{1}]}}}}, "\\$is of amount must be text, a number"),
        (
            {"filters": {"created_at": {"conditions": {"$after": ["yesterday"]}}}},
            "\\$after of created_at must be a time",
        ),
        ({"filters": {"updated_at": {"conditions": {"$before": 5}}}}, "\\$before of updated_at must be a time"),
    ],
)
def test_what_the_api_would_refuse_is_refused_with_value_and_choice(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        ExportRequest(**parameters)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"junction": "and", "status": {"conditions": {"$in": ["PAID", "CREATED"]}}},
        {"discount_amount": {"conditions": {"$more_than": 100000}}},
        {"created_at": {"conditions": {"$after": ["2022-09-09T09:20:01.660Z"], "$before": "2022-09-10"}}},
        {"metadata.payment_mean": {"conditions": {"$is_not": ["card", None], "$has_value": True}}},
    ],
)
def test_what_the_reference_shows_is_accepted(filters):
    assert ExportRequest(filters=filters).filters == filters


def test_the_schema_has_the_fields_in_order_with_their_types():
    request = ExportRequest(
        fields=["total_amount", "updated_at", "status", "customer_id", "metadata", "metadata.a", "metadata.b"],
        metadata_schema={"b": pa.timestamp("us", "UTC")},
    )
    assert order_schema(request) == pa.schema(
        [
            ("total_amount", pa.int64()),
            ("updated_at", pa.timestamp("ms", "UTC")),
            ("status", pa.dictionary(pa.int32(), pa.string())),
            ("customer_id", pa.string()),
            ("metadata", pa.string()),
            ("metadata.a", pa.string()),
            ("metadata.b", pa.timestamp("us", "UTC")),
        ]
    )


@pytest.mark.parametrize(
    "wanted",
    [
        pa.string(),
        pa.bool_(),
        pa.int8(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
        pa.timestamp("s"),
        pa.timestamp("ns", "UTC"),
        pa.decimal128(38, 9),
    ],
    ids=str,
)
def test_a_type_is_named_as_pyarrow_prints_it(wanted):
    request = ExportRequest(metadata_schema={"key": wanted})
    assert arrow_type(request.metadata_schema["key"]) == wanted


KEYS = ["id", "metadata.Payment Mean", "metadata.paymentMean2", "metadata.ÄA"]


@pytest.mark.parametrize(
    ("column_names", "columns"),
    [
        ("as_api", KEYS),
        ("snake_case", ["id", "metadata_payment_mean", "metadata_payment_mean2", "metadata_äa"]),
        ({"id": "order_id"}, ["order_id", *KEYS[1:]]),
    ],
)
def test_columns_are_named_as_readers_take_them(column_names, columns):
    assert ExportConfig(column_names=column_names).columns(KEYS) == columns


@pytest.mark.parametrize(
    ("fields", "column_names", "message"),
    [
        (
            ["id", "metadata.Color", "metadata.color"],
            "as_api",
            "'metadata.Color' and 'metadata.color' would have one name",
        ),
        (["metadata.a b", "metadata.a_b"], "snake_case", "'metadata_a_b', or two that differ in case alone"),
        (["id", "amount"], {"amount": "ID"}, r"column_names=\{'amount': '…'\}"),
        (["id", "amount"], {"amuont": "x"}, "'amuont' is not among the fields; did you mean 'amount'"),
        (["id"], {"id": " "}, "'id' needs a name for its column, got ' '"),
    ],
)
def test_columns_that_would_have_one_name_are_refused(fields, column_names, message):
    with pytest.raises(ConfigurationError, match=message):
        ExportConfig(column_names=column_names).apply_to(ExportRequest(fields=fields))


PAID = {"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}
SPAN = {"created_at": {"conditions": {"$after": ["2026-01-01T00:00:00.000Z"]}}}


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ({}, {"filters": {"junction": "and"}, "order": "", "response_format": "csv"}),
        ({"filters": {"junction": "or"}}, {"order": None, "filters": {}}),
        ({"filters": PAID}, {"filters": {"status": {"conditions": {"$is": "PAID"}}}}),
        ({"filters": SPAN}, {"filters": {"created_at": {"conditions": {"$after": "2026-01-01T00:00:00Z"}}}}),
        ({"sort_order": "-status"}, {"order": "-status", "filters": {"junction": "and"}}),
    ],
)
def test_an_export_is_recognised_whatever_else_the_api_returns(sent, received):
    export = Export(
        id="exp_1", status="DONE", exported_object="order", parameters={"fields": ["id", "amount"], **received}
    )
    assert ExportRequest(fields=["id", "amount"], **sent).is_request_of(export)


@pytest.mark.parametrize(
    "received",
    [
        {"fields": ["id"]},
        {"fields": ["amount", "id"]},
        {"order": "status"},
        {"filters": {"status": {"conditions": {"$is": ["CREATED"]}}}},
        {"filters": {**PAID, **SPAN}},
        {"filters": {}},
    ],
)
def test_an_export_of_something_else_is_not_taken(received):
    parameters = {"fields": ["id", "amount"], "filters": PAID} | received
    export = Export(id="exp_1", status="DONE", exported_object="order", parameters=parameters)
    assert not ExportRequest(fields=["id", "amount"], filters=PAID).is_request_of(export)
