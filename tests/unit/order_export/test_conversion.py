"""A file becomes tables: like Python's csv module reads it, whatever its shape, and never with a part of it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.exceptions import ExportFileError, RowTooLongError, TruncatedDownloadError
from airflow_provider_voucherify.order_export.convert import rows as conversion_module
from airflow_provider_voucherify.order_export.convert.csv_stream import CsvStream
from airflow_provider_voucherify.order_export.convert.header import match_columns
from airflow_provider_voucherify.order_export.convert.schema import order_schema
from airflow_provider_voucherify.order_export.request import ExportRequest
from tests.unit.order_export.files import convert_file, download_of

FIELDS = ("id", "amount", "created_at", "status", "metadata")
HEADERS = {"id": "ID", "amount": "Amount", "created_at": "Created At", "status": "Status", "metadata": "Metadata"}
TEXTS = st.text(
    st.one_of(st.sampled_from("\",\n\r;' \t\x00\x1aé💥\u2028\ufeff"), st.characters(exclude_categories=["Cs"]))
)
VALUES = {
    "id": TEXTS | st.sampled_from(["NA", "null", "NaN", "ord_1"]),
    "amount": st.integers(-(2**63), 2**63 - 1).map(str) | st.just(""),
    "created_at": st.sampled_from(["2022-09-09T09:20:01.660Z", "1999-12-31T23:59:59.999Z", ""]),
    "status": st.sampled_from(["PAID", "CREATED", ""]),
    "metadata": st.just("") | TEXTS.map(lambda text: json.dumps({"note": text}, ensure_ascii=False)),
    "unknown": TEXTS,
}
TYPED = [name for name in FIELDS if name not in ("id", "metadata")]


@st.composite
def csv_files(draw):
    """A file, written by Python's csv module, in any of the ways that RFC 4180 allows."""
    columns = draw(st.permutations([*FIELDS, *draw(st.sampled_from([[], ["unknown"]]))]))
    rows = draw(st.lists(st.tuples(*(VALUES[name] for name in columns)), max_size=12))
    # Python before 3.13 leaves a lone \r unquoted, which RFC 4180 does not allow
    minimal = draw(st.booleans()) and not any("\r" in cell for row in rows for cell in row)
    text = io.StringIO(newline="")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL)
    writer.writerow([HEADERS.get(name, "Currency") for name in columns])
    writer.writerows(rows)
    written = text.getvalue() if draw(st.booleans()) else text.getvalue().removesuffix(newline)
    return draw(st.sampled_from(["", "\ufeff"])) + written


@settings(deadline=None, max_examples=300)
@given(csv_files(), st.integers(8, 400), st.integers(1, 5), st.booleans())
@example("ID,Amount,Created At,Status,Metadata", 400, 1, False)
@example('ID,Amount,Created At,Status,Metadata\n"a\nb",1,,,"{\r\n}"', 16, 1, True)
def test_a_file_is_read_as_the_csv_module_reads_it(text, block_bytes, row_group_rows, zipped):
    def convert(block_bytes):
        return convert_file(
            text.encode(), FIELDS, block_bytes=block_bytes, row_group_rows=row_group_rows, zipped=zipped
        )

    try:
        table, bad_rows = convert(block_bytes)
    except RowTooLongError:
        table, bad_rows = convert(1 << 20)
    header, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    positions = match_columns(header, FIELDS, "it").fields
    wanted = [{name: row[position] for name, position in positions.items()} for row in rows]
    assert bad_rows == []
    assert [
        {
            "id": row["id"] or "",
            "amount": "" if row["amount"] is None else str(row["amount"]),
            "created_at": row["created_at"].isoformat("T", "milliseconds")[:23] + "Z" if row["created_at"] else "",
            "status": row["status"] or "",
            "metadata": row["metadata"] or "",
        }
        for row in table.to_pylist()
    ] == wanted


def test_empty_quoted_and_null_like_cells_are_kept_apart():
    content = b'id,source_id,amount\n,NA,1\n"",null,\nx,"",""\n'
    table, _ = convert_file(content, ["id", "source_id", "amount"])
    assert table.to_pydict() == {
        "id": [None, "", "x"],
        "source_id": ["NA", "null", ""],
        "amount": [1, None, None],
    }


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n \r\n"])
@pytest.mark.parametrize("length", [True, False])
def test_a_file_without_a_header_is_an_error(content, length, zipped):
    with pytest.raises(TruncatedDownloadError, match=r"is empty: it does not even have a header|without a newline"):
        convert_file(content, ["amount", "id"], length=length, zipped=zipped)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("content", [b"ID,Amount", b"ID,Amount\n", b'"ID","Amount"\r\n'])
def test_no_orders_are_no_error(content, zipped):
    table, bad_rows = convert_file(content, ["amount", "id"], zipped=zipped)
    assert table.schema == order_schema(ExportRequest(fields=["amount", "id"]))
    assert (table.num_rows, bad_rows) == (0, [])


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_in_a_single_column_an_empty_line_is_an_order(newline):
    content = newline.join([b"Source ID", b"a", b"", b'""', b"b", b""])
    table, _ = convert_file(content, ["source_id"])
    assert table["source_id"].to_pylist() == ["a", None, "", "b"]


def test_in_several_columns_an_empty_line_is_none():
    table, bad_rows = convert_file(b"id,amount\na,1\n\n\nb,x\n\n", ["id", "amount"])
    assert table.to_pylist() == [{"id": "a", "amount": 1}]
    assert [bad.row for bad in bad_rows] == [2]


def test_metadata_columns_are_folded_into_json():
    content = 'ID,Metadata.b,Metadata.a\n1,"say ""hi""",é\n2,,\n3,,7\n'.encode()
    table, _ = convert_file(content, ["id", "metadata", "metadata.a"])
    assert table["metadata"].to_pylist() == ['{"b":"say \\"hi\\"","a":"é"}', None, '{"a":"7"}']
    assert table["metadata.a"].to_pylist() == ["é", None, "7"]


def test_metadata_without_any_column_is_null():
    table, _ = convert_file(b"id\n1\n2\n", ["id", "metadata"])
    assert table["metadata"].to_pylist() == [None, None]


def test_metadata_has_the_types_it_is_given():
    content = b"id,metadata.loyal,metadata.score\n1,true,5\n2,,\n3,maybe,7\n"
    table, bad_rows = convert_file(
        content, ["metadata.loyal", "metadata.score"], metadata_schema={"loyal": "bool", "score": "int64"}
    )
    assert table.to_pydict() == {"metadata.loyal": [True, None], "metadata.score": [5, None]}
    assert [(bad.row, bad.reason) for bad in bad_rows] == [(3, "metadata.loyal: 'maybe' is not a valid bool")]


@pytest.mark.parametrize("block_bytes", [32, 1 << 20])
@pytest.mark.parametrize("row_group_rows", [1, 3, 1000])
def test_bad_rows_are_told_with_number_reason_and_cells(block_bytes, row_group_rows):
    rows = [b'ord_%d,%d,"x\n"' % (number, number) for number in range(1, 21)]
    rows[4] = b"ord_5,abc,"
    rows[6] = b"ord_7,1"
    rows[7] = b"ord_8,1,2,3"
    rows[11] = b"ord_\xff,1e3,"
    rows[19] = b"ord_20"
    table, bad_rows = convert_file(
        b"ID,Amount,Note\n" + b"\n".join(rows) + b"\n",
        ["id", "amount"],
        block_bytes=block_bytes,
        row_group_rows=row_group_rows,
    )
    assert table["amount"].to_pylist() == [number for number in range(1, 21) if number not in (5, 7, 8, 12, 20)]
    assert [(bad.row, bad.reason, bad.record) for bad in bad_rows] == [
        (5, "Amount: 'abc' is not a valid int64", {"ID": "ord_5", "Amount": "abc"}),
        (7, "2 cells where the header has 3", "ord_7,1"),
        (8, "4 cells where the header has 3", "ord_8,1,2,3"),
        (
            12,
            "ID: 'ord_\\\\xff' is not UTF-8; Amount: '1e3' is not a valid int64",
            {"ID": "ord_\\xff", "Amount": "1e3"},
        ),
        (20, "1 cells where the header has 3", "ord_20"),
    ]


def test_rows_are_gathered_into_row_groups_of_many_blocks():
    content = b"id,amount\n" + b"".join(b"ord_%06d,%d\n" % (number, number) for number in range(1000))
    stream = CsvStream(download_of(content), "it")
    schema = order_schema(ExportRequest(fields=["id", "amount"]))
    conversion = conversion_module.RowReader(stream, schema, block_bytes=256, row_group_rows=300)
    groups = [group.table.num_rows for group in conversion.row_groups()]
    assert sum(groups) == 1000
    assert all(300 <= rows < 330 for rows in groups[:-1])


def test_a_dictionary_has_each_status_once():
    content = b"status\nPAID\n\xff\nCREATED\n" + b"PAID\nCREATED\n" * 499
    table, bad_rows = convert_file(content, ["status"], block_bytes=64)
    assert [bad.reason for bad in bad_rows] == ["status: '\\\\xff' is not UTF-8"]
    assert table["status"].to_pylist() == ["PAID", "CREATED"] * 500
    assert {tuple(chunk.dictionary.to_pylist()) for chunk in table["status"].chunks if len(chunk)} == {
        ("PAID", "CREATED")
    }


def test_a_row_longer_than_a_block_is_an_error_of_its_own():
    with pytest.raises(RowTooLongError, match="Export exp_1 cannot be read as CSV after row 0"):
        convert_file(b"id,amount\n" + b"x" * 200 + b",1\n", ["id"], block_bytes=64)


def test_a_file_of_another_shape_is_an_error_before_memory_ends(monkeypatch):
    monkeypatch.setattr(conversion_module, "MAX_MISSHAPEN_ROWS", 50)
    with pytest.raises(
        ExportFileError, match="50 rows have a wrong number of cells, the first of them row 1 with 1 cells"
    ):
        convert_file(b"id,amount\n" + b"1;2\n" * 100, ["id"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'"id', "does not begin with a header, but with b'\"id'"),
        (b"\xff\xfei\x00d\x00\n", "has a header that is not UTF-8"),
        (b"<html><body>Not found</body></html>", "has no column for id. Its columns are: <html>"),
        (b"x" * (1 << 21), "does not begin with a header, but with b'xxx"),
    ],
)
def test_what_is_no_csv_of_orders_is_an_error(content, message):
    with pytest.raises(ExportFileError, match=message):
        convert_file(content, ["id"])


def test_another_encoding_than_gzip_is_an_error():
    download = download_of(b"id\n1\n")
    download._response.headers["Content-Encoding"] = "br"
    with pytest.raises(ExportFileError, match="came as 'br'; only gzip was asked for"):
        CsvStream(download, "Export exp_1")


ORDERS = (
    "ID,Amount,Metadata\n"
    + "".join(f'ord_{number},{number * 11},"{{""n"": ""é{number}\n""}}"\n' for number in range(9))
).encode()


def rows_of(content):
    return list(csv.reader(io.StringIO(content.decode(errors="replace"), newline="")))[1:]


def test_a_file_cut_within_a_row_is_detected_without_length_or_gzip():
    """At all places but those at which a row ends, as a whole file could."""
    for cut in range(1, len(ORDERS)):
        content = ORDERS[:cut]
        if content.endswith(b"\n") and content.count(b'"') % 2 == 0:
            table, bad_rows = convert_file(content, ["id", "amount", "metadata"], length=False)
            assert (table.num_rows, bad_rows) == (len(rows_of(content)), [])
        else:
            with pytest.raises(TruncatedDownloadError, match="Export exp_1 ends"):
                convert_file(content, ["id", "amount", "metadata"], length=False)


def test_an_end_within_a_row_is_noticed_even_where_the_length_is_right():
    """As when the server itself has but a part; a last row that lacks nothing but its newline is whole."""
    for cut in range(ORDERS.index(b"\n") + 1, len(ORDERS)):
        content = ORDERS[:cut]
        if content.count(b'"') % 2 == 0 and all(len(row) == 3 for row in rows_of(content)):
            table, bad_rows = convert_file(content, ["id", "amount"])
            assert (table.num_rows, bad_rows) == (len(rows_of(content)), [])
        else:
            with pytest.raises(TruncatedDownloadError, match="Export exp_1 ends within"):
                convert_file(content, ["id", "amount"])


def test_an_end_that_nothing_proves_is_an_error():
    with pytest.raises(TruncatedDownloadError, match="nothing in the response proves its end"):
        convert_file(ORDERS.removesuffix(b"\n"), ["id"], length=False)


@pytest.mark.parametrize("length", [True, False])
def test_gzip_that_is_cut_or_broken_is_noticed(length):
    whole = download_of(ORDERS, zipped=True).read(1 << 20)
    for cut in range(1, len(whole)):
        download = download_of(b"", zipped=True, length=False)
        download._response.raw = type(download._response.raw)(io.BytesIO(whole[:cut]), preload_content=False)
        if length:
            download._response.headers["Content-Length"] = str(cut)
        with pytest.raises(TruncatedDownloadError, match="it is not a complete gzip stream"):
            list(
                conversion_module.RowReader(
                    CsvStream(download, "it"), order_schema(ExportRequest(fields=["id"]))
                ).row_groups()
            )


def test_bare_keys_become_json():
    table, bad_rows = convert_file(b"ID,channel,Region\n1,web,EU\n2,,\n", ["id", "metadata"])
    assert table["metadata"].to_pylist() == ['{"channel":"web","Region":"EU"}', None]
    assert bad_rows == []


def test_an_integer_with_an_empty_fraction_is_that_integer():
    content = b"ID,Amount\n1,7700.00\n2,5.\n3,-3.0\n4,77.50\n5,.0\n"
    table, bad_rows = convert_file(content, ["id", "amount"])
    assert table["amount"].to_pylist() == [7700, 5, -3]
    assert [bad.reason for bad in bad_rows] == [
        "Amount: '77.50' is not a valid int64",
        "Amount: '.0' is not a valid int64",
    ]


def test_metadata_that_is_not_a_json_object_is_a_bad_value():
    texts = ["[object Object]", '{"a":1}', "{'a': 1}", "", " { } ", "{}", '["a"]', '{"a":}x', "7"]
    content = io.StringIO()
    csv.writer(content).writerows([["ID", "Metadata"], *([str(row), text] for row, text in enumerate(texts))])
    table, bad_rows = convert_file(content.getvalue().encode(), ["id", "metadata"])
    assert table["metadata"].to_pylist() == ['{"a":1}', None, " { } ", "{}"]
    assert [bad.row for bad in bad_rows] == [1, 3, 7, 8, 9]
    assert bad_rows[0].reason == "Metadata: '[object Object]' is not a JSON object"
