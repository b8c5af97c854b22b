"""What a report shows is bounded, however long the job runs, and whatever stands in ids and reasons."""

from __future__ import annotations

import json
import logging

import msgspec
import pytest

from airflow_provider_voucherify.reporting.observations import OTHER_REASONS, Observations
from airflow_provider_voucherify.reporting.reject_files import Outcome, Report

MAX_BYTES = 60_000  # of the 64 KiB that Airflow's task state store takes, in the longest of all encodings


def long_outcomes(count, character):
    """Each has a position, id and reason of its own, of 100,000 characters each."""
    return [
        Outcome(*(f"{number} {character * 100_000}" for _ in range(3)), b"{}")  # position, source_id, reason
        for number in range(count)
    ]


@pytest.mark.parametrize("character", ["x", "\n", '"', "\u20ac"])
def test_they_stay_small_and_on_one_line_however_long_ids_and_reasons_are(character):
    observations = Observations()
    for _ in range(3):
        observations.add_failures(long_outcomes(30, character))
    for second in range(10_000):
        observations.mark(1.8e9 + second, second)
    assert len(json.dumps(msgspec.to_builtins(observations))) < MAX_BYTES
    assert sum(observations.reasons.values()) == 90
    assert observations.reasons[OTHER_REASONS] == 30
    assert not [text for text in (*observations.failures, *observations.reasons) if not text.isprintable()]


def test_log_lines_of_orders_are_bounded_too(caplog):
    with caplog.at_level(logging.WARNING):
        Report(None).write("rejected", 1, long_outcomes(20, "\n"))
    assert len(caplog.records) == 6
    assert max(len(record.getMessage()) for record in caplog.records) < 1500
    assert all(record.getMessage().isprintable() for record in caplog.records)
