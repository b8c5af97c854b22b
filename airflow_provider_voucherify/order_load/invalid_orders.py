"""Make the outcome of records that a check refused, so that they are never sent."""

from __future__ import annotations

from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.schema.check import (
    DuplicateOrderError,
    InvalidOrderError,
    SupersededOrderError,
)
from airflow_provider_voucherify.order_source.source import Record
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode


def invalid_outcome(record: Record, error: InvalidOrderError) -> Outcome:
    """
    Make the outcome of a record that is not sent.

    :param record: The record.
    :param error: Why it is not sent.
    """
    return Outcome(
        record.position,
        source_id_of(record.body),
        str(error),
        record.body.strip(),
        superseded=isinstance(error, SupersededOrderError),
        code=_code(error),
    )


def _code(error: InvalidOrderError) -> OutcomeCode:
    if isinstance(error, SupersededOrderError):
        return OutcomeCode.SUPERSEDED
    return OutcomeCode.DUPLICATE if isinstance(error, DuplicateOrderError) else OutcomeCode.INVALID
