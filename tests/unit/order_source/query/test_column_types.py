"""Python values of a query become Arrow columns whose types hold all of them, in every batch."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pyarrow as pa
import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.query.column_types import JSON, NOTHING, plain_batch, record_batch


class Status(Enum):
    PAID = "paid"


def column(*values, before=NOTHING, json=()) -> pa.Array:
    return record_batch([(value,) for value in values], ["x"], [before], json).column(0)


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ((None, None), pa.null(), [None, None]),
        ((True, None), pa.bool_(), [True, None]),
        ((1, None, 2**62), pa.int64(), [1, None, 2**62]),
        ((1.5, None), pa.float64(), [1.5, None]),
        ((Decimal("1.50"), Decimal("2")), pa.decimal128(38, 2), [Decimal("1.50"), Decimal("2.00")]),
        ((Decimal("1E+3"),), pa.decimal128(38, 0), [Decimal(1000)]),
        (("a", None), pa.string(), ["a", None]),
        ((UUID(int=7),), pa.string(), [str(UUID(int=7))]),
        ((Status.PAID,), pa.string(), ["paid"]),
        ((time(12, 30),), pa.string(), ["12:30:00"]),
        ((date(2026, 1, 2),), pa.date32(), [date(2026, 1, 2)]),
        ((datetime(2026, 1, 2, 3),), pa.timestamp("us"), [datetime(2026, 1, 2, 3)]),
        (
            (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),),
            pa.timestamp("us", "UTC"),
            [datetime(2026, 1, 2, 1, tzinfo=UTC)],
        ),
    ],
)
def test_types(values, kind, read) -> None:
    array = column(*values)
    assert array.type == kind
    assert array.to_pylist() == read


@pytest.mark.parametrize(
    ("values", "documents"),
    [
        (({"a": [1, Decimal("2.50")]}, [1, "b"], None), ['{"a":[1,2.50]}', '[1,"b"]', None]),
        ((1, "a", 2.5, True), ["1", '"a"', "2.5", "true"]),
        ((1, Decimal("2.50")), ["1", "2.50"]),
        ((2**70,), [str(2**70)]),
        ((Decimal("NaN"), Decimal("1.5")), ['"NaN"', "1.5"]),
        ((Decimal("1" + "0" * 40 + ".5"),), ["1" + "0" * 40 + ".5"]),
        ((date(2026, 1, 2), datetime(2026, 1, 2, 3, tzinfo=UTC)), ['"2026-01-02"', '"2026-01-02T03:00:00Z"']),
    ],
)
def test_values_of_several_types_keep_theirs_as_json(values, documents) -> None:
    array = column(*values)
    assert array.type == JSON
    texts = array.storage.to_pylist()
    assert texts == documents
    for text in texts:
        assert text is None or json.loads(text) is not None


def test_types_of_earlier_batches_are_kept_or_widened() -> None:
    assert column(None, before=pa.int64()).type == pa.int64()
    assert column(Decimal("1.125"), before=pa.decimal128(38, 2)).type == pa.decimal128(38, 3)
    assert column(Decimal("1.1"), before=pa.decimal128(38, 2)).type == pa.decimal128(38, 2)
    assert column("a", before=pa.int64()).type == JSON
    assert column(5, before=JSON).storage.to_pylist() == ["5"]
    large = Decimal("9" * 37)
    assert column(large, before=pa.decimal128(38, 5)).storage.to_pylist() == ["9" * 37]


def test_text_that_is_json_in_the_database() -> None:
    assert column('{"a":1}', json={"x"}).type == JSON
    assert column(None, json={"x"}).type == JSON


@pytest.mark.parametrize("value", [b"\x00", memoryview(b"a"), timedelta(days=1), object(), [object()]])
def test_values_without_a_form_in_json_are_refused(value) -> None:
    with pytest.raises(ConfigurationError, match=r"column 'x' has values of type .*Cast it to text in the query"):
        column(value)


def test_arrow_batches() -> None:
    given = pa.RecordBatch.from_pydict(
        {"i": pa.array([1], pa.int8()), "f": pa.array([1.5], pa.float32()), "j": pa.array(["{}"]), "s": pa.array(["a"])}
    )
    assert plain_batch(given, {"j"}).schema.types == [pa.int64(), pa.float64(), JSON, pa.string()]
    with pytest.raises(ConfigurationError, match="column 'b' has values of type binary"):
        plain_batch(pa.RecordBatch.from_pydict({"b": pa.array([b"a"])}))
