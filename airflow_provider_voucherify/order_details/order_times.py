"""The times of an order as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_voucherify.exceptions import ExportFileError


def parse_time(text: object, what: str) -> datetime | None:
    """
    Read a time of the API, which is UTC if it has no offset (documented).

    :param text: The value; None where there is none.
    :param what: What it is, in errors.
    :return: The time in milliseconds.
    :raises ExportFileError: if it is something else.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ExportFileError(f"{what} is {text!r:.80}, which is not a time of ISO 8601.") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def time_of(order_id: str, created_at: object, updated_at: object) -> datetime:
    """
    Return the time by which an order is in a window: of its last change, or of its creation if it never changed.

    :param order_id: The order, in errors.
    :param created_at: Its ``created_at``.
    :param updated_at: Its ``updated_at``.
    :raises ExportFileError: if it has neither.
    """
    moment = parse_time(updated_at, f"updated_at of order {order_id}") or parse_time(
        created_at, f"created_at of order {order_id}"
    )
    if moment is None:
        raise ExportFileError(f"Order {order_id} has neither updated_at nor created_at.")
    return moment
