"""How far a query for changed orders has come: the highest value of a column, from one successful run to the next."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec
from airflow.providers.common.compat.sdk import Variable

from airflow_provider_voucherify.exceptions import ConfigurationError, StateError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

FIRST = "1970-01-01T00:00:00+00:00"
EXAMPLE = "2026-01-01T00:00:00+00:00"


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far the last successful run of a task has come.

    It is kept as a variable of Airflow, and not with the events of an asset: a variable needs no outlet, exists in
    every version, is shown and can be set back by hand, and changes at the moment when all orders are in.

    :param value: The highest value up to now, in ISO 8601; None before the first run.
    :param sent: The orders that were sent lately, as
        :meth:`~airflow_provider_voucherify.order_sync.sent_orders.SentOrders.to_text` returns them.
    """

    value: str | None = None
    sent: str = ""

    @classmethod
    def load(cls, context: Context) -> Self:
        """
        Load the watermark of a task.

        :param context: The task.
        :raises StateError: if the variable holds something else.
        """
        text = Variable.get(variable_name(context), None)
        if text is None:
            return cls()
        try:
            # a time alone is what people write
            watermark = msgspec.json.decode(text, type=cls) if text.startswith("{") else cls(value=text.strip())
            watermark.start(timedelta())
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(
                f"The variable {variable_name(context)} is not a watermark ({error}). Set it to a time such as "
                f"{EXAMPLE}, or delete it to start with the orders of all times."
            ) from error
        return watermark

    def save(self, context: Context) -> None:
        """
        Save the watermark of a task.

        :param context: The task.
        """
        Variable.set(variable_name(context), msgspec.json.encode(self).decode())

    def start(self, lookback: timedelta) -> str:
        """
        Return the time from which to read on, for the query.

        :param lookback: How much to read again.
        """
        if self.value is None:
            return FIRST
        return (datetime.fromisoformat(self.value) - lookback).isoformat()

    def advanced(self, value: Any, sent: str) -> Self:
        """
        Return the watermark after a run. Its value never goes back.

        :param value: The highest value of the run: a time, or text in ISO 8601.
        :param sent: The orders that were sent; empty if nothing is known of them.
        :raises ConfigurationError: if the value is neither.
        """
        highest = iso_time(value)
        if self.value is not None and datetime.fromisoformat(highest) < datetime.fromisoformat(self.value):
            highest = self.value
        return type(self)(value=highest, sent=sent)


def iso_time(value: Any) -> str:
    """
    Write a value of the column in ISO 8601.

    :param value: A time, or text in ISO 8601.
    :raises ConfigurationError: if it is neither.
    """
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    try:
        return datetime.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"watermark_column must have times, or text in ISO 8601; its highest value is {value!r:.80}."
        ) from None


def variable_name(context: Context) -> str:
    """
    Return the name of the variable that has the watermark of a task.

    :param context: The task.
    """
    instance = context["ti"]
    return f"voucherify_watermark_{instance.dag_id}_{instance.task_id}"
