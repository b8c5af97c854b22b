"""Which column is which field, however the header is written."""

from __future__ import annotations

import random

import pytest

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_export.convert.header import match_columns

DISPLAYED = [name.replace("_", " ").title().replace(" Id", " ID") for name in ORDER_FIELDS]


def match(header, fields, header_mapping=None):
    return match_columns(header, fields, "Export exp_1", header_mapping)


@pytest.mark.parametrize("write", [str, str.upper, lambda text: f" {text} ", lambda text: text.replace(" ", "_")])
def test_display_form_and_field_form_are_the_same(write):
    columns = match([write(text) for text in DISPLAYED], ORDER_FIELDS)
    assert columns.fields == {name: position for position, name in enumerate(ORDER_FIELDS)}
    assert columns.unknown == ()


def test_the_order_of_columns_does_not_matter():
    header = [*DISPLAYED]
    random.Random(1).shuffle(header)
    columns = match(header, ORDER_FIELDS)
    assert {name: header[position] for name, position in columns.fields.items()} == dict(
        zip(ORDER_FIELDS, DISPLAYED, strict=True)
    )


def test_a_missing_column_is_named_beside_those_there_are():
    with pytest.raises(
        ExportFileError, match=r"Export exp_1 has no column for amount, status. Its columns are: ID, Ref"
    ):
        match(["ID", "Ref"], ["id", "amount", "status"])


def test_unknown_columns_are_told():
    assert match(["Currency", "ID", ""], ["id"]).unknown == ("Currency", "")


def test_two_columns_for_one_field_are_an_error():
    header, fields = ["ID", "Source ID", "source_id"], ["id", "source_id"]
    advice = r"header_mapping=\{'Source ID': 'source_id'\}"
    with pytest.raises(
        ExportFileError, match=f"has 2 columns for source_id: 'Source ID' and 'source_id'. Say .*{advice}"
    ):
        match(header, fields)
    assert match(header, fields, {"Source ID": "source_id"}).fields == {"id": 0, "source_id": 1}


def test_two_unknown_columns_of_one_name_are_nobodys_concern():
    assert match(["ID", "X", "X"], ["id"]).unknown == ("X", "X")


@pytest.mark.parametrize(
    "header", ["metadata.payment_mean", "Metadata.payment_mean", "Metadata Payment Mean", "METADATA: payment mean"]
)
def test_a_metadata_key_is_found(header):
    assert match([header], ["metadata.payment_mean"]).fields == {"metadata.payment_mean": 0}


def test_metadata_keys_that_differ_in_case_alone_are_kept_apart():
    columns = match(["Metadata.color", "Metadata.Color"], ["metadata.Color", "metadata.color"])
    assert columns.fields == {"metadata.Color": 1, "metadata.color": 0}


def test_one_column_is_not_two_fields():
    with pytest.raises(ExportFileError, match=r"no column for metadata\.ab"):
        match(["Metadata.a_b"], ["metadata.a_b", "metadata.ab"])


def test_a_key_that_could_be_two_columns_is_an_error():
    with pytest.raises(ExportFileError, match=r"2 columns for metadata\.color: 'Metadata.Color' and 'Metadata.COLOR'"):
        match(["Metadata.Color", "Metadata.COLOR"], ["metadata.color"])


def test_metadata_as_columns_is_recognised():
    columns = match(["ID", "Metadata.payment_mean", "metadata.n"], ["id", "metadata", "metadata.n"])
    assert columns.fields == {"id": 0, "metadata.n": 2}
    assert columns.metadata == {"payment_mean": 1, "n": 2}
    assert columns.unknown == ()


def test_metadata_as_one_column_leaves_the_others_alone():
    columns = match(["Metadata", "Metadata.n"], ["metadata"])
    assert (columns.fields, columns.metadata, columns.unknown) == ({"metadata": 0}, {}, ("Metadata.n",))


def test_metadata_may_be_without_any_column():
    assert match(["ID"], ["id", "metadata"]).metadata == {}


def test_two_columns_for_one_metadata_key_are_an_error():
    with pytest.raises(ExportFileError, match=r"2 columns for the metadata key 'n': 'Metadata.n' and 'metadata.n'"):
        match(["Metadata.n", "metadata.n"], ["metadata"])


def test_a_key_that_is_asked_for_beside_metadata_may_come_twice():
    header = ["ID", "Metadata.n", "Metadata.n", "Metadata.m"]
    columns = match(header, ["metadata.n", "metadata"])
    assert (columns.fields, columns.metadata, columns.unknown) == ({"metadata.n": 1}, {"n": 1, "m": 3}, ("ID",))
    with pytest.raises(ExportFileError, match=r"2 columns for metadata\.n"):
        match(header, ["metadata.n"])


def test_a_bare_key_that_is_asked_for_beside_metadata_may_come_twice():
    header = ["ID", "n", "m", "n"]
    columns = match(header, ["id", "metadata", "metadata.n"])
    assert (columns.fields, columns.metadata, columns.unknown) == ({"id": 0, "metadata.n": 1}, {"m": 2, "n": 3}, ())
    with pytest.raises(ExportFileError, match=r"2 columns for metadata\.n"):
        match(header, ["id", "metadata.n"])
    with pytest.raises(ExportFileError, match=r"2 columns for the metadata key 'n'"):
        match([*header, "n"], ["id", "metadata", "metadata.n"])


def test_labels_of_other_exports_match():
    columns = match(["ID", "Creation Date", "Last Update Date"], ["id", "created_at", "updated_at"])
    assert columns.fields == {"id": 0, "created_at": 1, "updated_at": 2}


def test_a_header_can_be_mapped():
    columns = match_columns(["ID", " Placed on"], ["id", "created_at"], "it", {"Placed on": "created_at"})
    assert (columns.fields, columns.unknown) == ({"id": 0, "created_at": 1}, ())
    with pytest.raises(ExportFileError, match=r"map it: header_mapping=\{'…': 'created_at'\}"):
        match(["ID", "Placed on"], ["id", "created_at"])


def test_a_mapping_precedes_a_header_that_matches_by_itself():
    columns = match_columns(["Amount", "Net"], ["amount"], "it", {"Net": "amount"})
    assert (columns.fields, columns.unknown) == ({"amount": 1}, ("Amount",))


def test_columns_that_nothing_claims_are_bare_keys_of_the_metadata():
    columns = match(["ID", "Status", "channel", "Region ", ""], ["id", "metadata"])
    assert columns.metadata == {"channel": 2, "Region": 3}
    assert columns.unknown == ("Status", "")  # a field of orders, though not requested, and nothing


@pytest.mark.parametrize("header", [["ID", "Metadata", "channel"], ["ID", "metadata.a", "channel"]])
def test_there_are_no_bare_keys_where_the_metadata_has_columns_of_its_own(header):
    assert match(header, ["id", "metadata"]).unknown == ("channel",)


def test_a_single_key_can_be_bare():
    columns = match(["ID", "channel", "Channel"], ["id", "metadata.Channel"])
    assert (columns.fields, columns.unknown) == ({"id": 0, "metadata.Channel": 2}, ("channel",))
