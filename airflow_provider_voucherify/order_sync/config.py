"""The options of a synchronisation."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from airflow_provider_voucherify.order_load.config import LoadConfig

SyncMode = Literal["upsert", "update"]
OrderedBy = Literal["source_id", "customer"]


class SyncConfig(LoadConfig, frozen=True, kw_only=True):
    """
    The options of a synchronisation.

    :param mode: ``upsert`` creates orders, or updates those with the same ``source_id`` (``POST /v1/orders``,
        documented); ``update`` changes those that exist and rejects the others (``PUT``). An order that is given with
        Voucherify's ``id`` is always changed by it.
    :param preserve_order_by: Which orders are never sent at the same time, so that they arrive in the order in which
        they are read: those with one ``source_id`` (or ``id``), or those of one ``customer`` as well.
    :param max_concurrent_calls: The largest number of calls at the same time; and of the orders that are sent once more
        if the process is killed, as it is not known whether they had arrived.
    :param poll_interval: How long to wait after all calls failed in a way that may pass, in seconds or as a timedelta.
    """

    mode: SyncMode = "upsert"
    preserve_order_by: OrderedBy = "source_id"
    max_concurrent_calls: Annotated[int, Meta(ge=1)] = 8
