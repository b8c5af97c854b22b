"""One line format for orders that were not imported and rows that were not exported, written and read back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_voucherify.reporting.reject_files import (
    Outcome,
    OutcomeCode,
    Submitted,
    read_line,
    write_line,
)


def test_a_line_says_what_failed_where_and_whether_a_retry_helps():
    outcome = Outcome(
        "orders.jsonl:7", "A-7", "Internal error", b'{"source_id":"A-7"}', code=OutcomeCode.FAILED, retryable=True
    )
    line = write_line(outcome, Submitted(chunk=3, async_action_id="aa_1", attempt=2), "manual__1")
    assert json.loads(line) == {
        "position": "orders.jsonl:7",
        "source_id": "A-7",
        "code": "failed",
        "reason": "Internal error",
        "chunk": 3,
        "async_action_id": "aa_1",
        "attempt": 2,
        "retryable": True,
        "run_id": "manual__1",
        "payload": {"source_id": "A-7"},
    }
    read = read_line(line)
    assert read is not None
    assert (read.position, read.code, bytes(read.payload)) == ("orders.jsonl:7", "failed", b'{"source_id":"A-7"}')


@pytest.mark.parametrize(
    "payload", [b'{\n  "source_id": "A",\r\n  "amount": 1\n}', b'{"source_id": "A\nB"', b"\xff\n\x1b[2K"]
)
def test_a_line_is_one_line_whatever_the_payload_is(payload):
    line = write_line(Outcome("orders[0]", None, "bad\nforged: rejected", payload))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert not set(line[:-1]) & set(range(32))
    assert read_line(line) is not None


@given(
    position=st.text(), source_id=st.none() | st.text(), reason=st.text(), payload=st.dictionaries(st.text(), st.text())
)
def test_what_is_written_is_read_back(position, source_id, reason, payload):
    line = write_line(Outcome(position, source_id, reason, json.dumps(payload).encode()))
    read = read_line(line)
    assert read is not None
    assert (read.position, read.source_id, read.reason) == (position, source_id, reason)
    assert json.loads(bytes(read.payload)) == payload


def test_lines_of_an_earlier_version_are_read():
    read = read_line(b'{"position":"a:1","source_id":null,"reason":"bad","payload":{}}')
    assert read is not None
    assert (read.code, read.chunk, read.attempt, read.retryable) == ("", None, 0, False)


@pytest.mark.parametrize("body", [b"{}", b'{"payload":{}}', b"[1]", b"\xff", b"[" * 5000])
def test_an_order_is_not_a_reject_line(body):
    assert read_line(body) is None


def test_an_outcome_is_one_bounded_line_of_a_log():
    text = str(Outcome("a\n2026-01-01 ERROR forged", "x" * 10_000 + "\x1b[31m", "no\r\nERROR forged", b"{}"))
    assert "\n" not in text
    assert "\r" not in text
    assert "\x1b" not in text
    assert len(text) < 1500
    assert text.startswith("a\\n2026")
