"""Files and requests that once came out wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_voucherify.order_export.convert.values import SAMPLE_TEXTS
from tests.unit.order_export.files import convert_file

FIELDS = ["id", "amount", "created_at"]
CREATED = datetime(2022, 3, 9, 9, 16, 32, 521000, tzinfo=UTC)


def test_labels_for_people():
    content = (
        b"ID,Source ID,Status,Amount,Creation Date,Last Update Date\n"
        b"ord_1,s1,PAID,7700,2022-03-09T09:16:32.521Z,\n"
        b"ord_2,s2,PAID,100,2022-03-09T09:16:33.521Z,2022-03-10T09:16:33.521Z\n"
    )
    table, bad = convert_file(content, ["id", "source_id", "status", "amount", "created_at", "updated_at"])
    assert (table["created_at"][0].as_py(), table["updated_at"][0].as_py(), bad) == (CREATED, None, [])
    assert table["updated_at"][1].as_py() == datetime(2022, 3, 10, 9, 16, 33, 521000, tzinfo=UTC)


def test_bare_metadata():
    content = (
        b"ID,Source ID,Status,Amount,Created At,channel,Region\nord_1,s1,PAID,7700,2022-03-09T09:16:32.521Z,web,EU\n"
    )
    table, bad = convert_file(content, [*FIELDS, "metadata", "metadata.Region"])
    assert (table["metadata"].to_pylist(), table["metadata.Region"].to_pylist(), bad) == (
        ['{"channel":"web"}'],
        ["EU"],
        [],
    )
    read = []
    convert_file(content, FIELDS, each=read.append)
    assert read[0].columns.unknown == ("Source ID", "Status", "channel", "Region")


def test_amounts_with_an_empty_fraction():
    content = b"ID,Source ID,Status,Amount,Created At\nord_1,s1,PAID,7700.00,2022-03-09T09:16:32.521Z\n"
    table, bad = convert_file(content, FIELDS)
    assert (table.to_pylist(), bad) == ([{"id": "ord_1", "amount": 7700, "created_at": CREATED}], [])


@pytest.mark.parametrize("text", ["[object Object]", '{""a"": oops}', '{""a"":1}}', "[1]"])
def test_metadata_that_is_no_json_is_a_bad_value_with_its_id(text):
    content = f'ID,Metadata\nord_1,"{text}"\nord_2,"{{""a"":1}}"\n'.encode()
    table, (bad,) = convert_file(content, ["id", "metadata"])
    assert table.to_pylist() == [{"id": "ord_2", "metadata": '{"a":1}'}]
    assert (bad.row, bad.id) == (1, "ord_1")
    assert bad.reason.endswith("is not a JSON object")


def test_keys_are_those_of_a_sample():
    read = []
    rows = "".join(f'ord_{row},"{{""a"":1,""{"rare" if row == 1 else "b"}"":2}}"\n' for row in range(SAMPLE_TEXTS * 2))
    convert_file(f"ID,Metadata\n{rows}".encode(), ["id", "metadata"], each=read.append)
    assert read[0].metadata_keys == {"a", "b"}


@pytest.mark.parametrize(
    ("kind", "key", "field"),
    [
        ("voucher", "code", "redemption_count"),
        ("publication", "voucher_code", "date"),
        ("order", "source_id", "amount"),
    ],
)
def test_a_bad_row_without_an_id_is_named_by_what_it_has(kind, key, field):
    content = f"{key},{field}\nsummer,\nspring,x\n".encode()
    _, (bad,) = convert_file(content, [key, field], exported_object=kind)
    assert bad.id == "spring"
    assert str(bad).endswith(f"({key} spring)")
