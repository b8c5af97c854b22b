"""The options that all jobs that load orders have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from airflow_provider_voucherify.core.options import PollingOptions
from airflow_provider_voucherify.order_source.duplicates import OnDuplicate
from airflow_provider_voucherify.order_source.rules import Treatment


class LoadConfig(PollingOptions, frozen=True, kw_only=True):
    """
    The options of a job that loads orders.

    :param on_duplicate: What becomes of orders that repeat a ``source_id``: ``error`` rejects them, ``first`` and
        ``last`` keep one order and leave the others out (``superseded/`` in the report), None sends them all.
    :param customers: ``send``, ``strip`` or ``reject`` customers and referrers, who move through segments.
    :param product_overrides: ``send``, ``strip`` or ``reject`` what overwrites products of the catalogue.
    :param max_rejected: How many orders may be rejected without an error: a share of all when below 1, otherwise a
        number. 0 by default.
    :param max_unknown: How many orders may be unknown without an error, counted in the same way.
    """

    on_duplicate: OnDuplicate | None = None
    customers: Treatment = "send"
    product_overrides: Treatment = "send"
    max_rejected: Annotated[float, Meta(ge=0)] = 0
    max_unknown: Annotated[float, Meta(ge=0)] = 0
