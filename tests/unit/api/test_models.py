from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from airflow_provider_voucherify.api.models import AsyncAction, Export, Failure


def action(**fields) -> AsyncAction:
    document = {"id": "aa_1", "type": "ORDERS.IMPORT", "status": "DONE"} | fields
    return msgspec.json.decode(msgspec.json.encode(document), type=AsyncAction)


def test_a_time_without_an_offset_is_utc():
    assert action(created_at="2026-01-01T00:00:00").created_at == datetime(2026, 1, 1, tzinfo=UTC)
    export = msgspec.json.decode(
        b'{"id": "e", "status": "DONE", "exported_object": "order", "created_at": "2026-01-01T00:00:00"}', type=Export
    )
    assert export.created_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("count", [None, -1, "7", True, 1.5, [], {}])
def test_a_count_that_is_not_one_is_unknown(count):
    assert action(result={"done_count": count}).done_count is None
    assert action(result={"failed_count": count}).failed_count == 0


@pytest.mark.parametrize(
    ("listed", "failures"),
    [
        (None, []),
        ({"source_id": "a", "reason": "No"}, [Failure("a", "No")]),
        ([{"source_id": None, "reason": "Internal error"}], [Failure(None, "Internal error")]),
        ([{"code": 7}], [Failure("7", "no reason given")]),
        (["text", 7, None], [Failure(None, "text"), Failure(None, "7"), Failure(None, "None")]),
        ("text", [Failure(None, "text")]),
    ],
)
def test_failures_are_read_however_they_are_listed(listed, failures):
    assert action(result={"failed": listed}).failures == failures
    assert action(result={"errors": listed}).failed_count == len(failures)


@pytest.mark.parametrize(
    ("result", "urls"),
    [(None, []), ({"url": "a"}, ["a"]), ({"url": ["a", "b"]}, ["a", "b"]), ({"urls": [None, 7, "", "a"]}, ["a"])],
)
def test_the_urls_of_an_export(result, urls):
    assert Export(id="e", status="DONE", exported_object="order", result=result).urls == urls
