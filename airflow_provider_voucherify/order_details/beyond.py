"""Read the orders of a window that the listing does not reach: their ids by an export, then one by one."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import PagingLimitError
from airflow_provider_voucherify.order_details.checkpoint import DetailsState
from airflow_provider_voucherify.order_details.config import DetailsConfig
from airflow_provider_voucherify.order_details.spool import Spool
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob, ExportRequest
from airflow_provider_voucherify.order_export.checkpoint import ExportStateStore

ORDERS_OF_A_FILE = 100  # a job that is killed reads so many again

log = logging.getLogger(__name__)


class OrdersByIds:
    """
    The orders of a window, one call each.

    :param client: The API.
    :param config: The options.
    :param state: The state of the job, with that of the export.
    :param state_store: Where it is saved.
    :param spool: The orders that are there.
    :param poller: Makes the calls.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        config: DetailsConfig,
        state: DetailsState,
        state_store: StateStore,
        spool: Spool,
        poller: Poller,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._config = config
        self._state = state
        self._spool = spool
        self._poller = poller
        self._folder = tempfile.TemporaryDirectory(prefix="voucherify-order-ids-")
        self._file = Path(self._folder.name) / "ids.parquet"
        self._ids: list[tuple[str, datetime]] | None = None
        self._export = ExportJob(
            client,
            ExportRequest(
                fields=["id", "created_at", "updated_at"],
                window_start=config.window.start,
                window_end=config.window.end,
            ),
            self._file,
            ExportConfig(poll_interval=config.poll_interval),
            state_store=ExportStateStore(state, state_store),
            failures=poller.failures,
            clock=clock,
        )

    @property
    def failures(self) -> int:
        """How many calls failed in a row up to now."""
        return self._export.failures if self._ids is None else self._poller.failures

    def read(
        self, keep: Callable[[Sequence[dict[str, Any]]], int], save: Callable[[], None], calls: int
    ) -> Pause | None:
        """
        Read all that can be read now.

        :param keep: Keeps the orders that are in the window.
        :param save: Saves the state.
        :param calls: How many calls the job has made.
        :return: What to wait for; None when all orders are there.
        :raises PagingLimitError: if ``max_calls`` does not allow as many calls as there are orders.
        """
        if self._ids is None:
            if pause := self._export.advance():
                return pause
            self._ids = self._check(calls)
        orders: list[dict[str, Any]] = []

        def keep_up_to(number: int) -> None:
            self._state.changed_since += len(orders) - keep(orders)
            self._state.read = number
            save()
            orders.clear()

        for number, (order_id, moment) in enumerate(self._ids[self._state.read :], self._state.read):
            if not self._spool.has(order_id, moment):
                order = self._poller.poll(partial(self._client.get_order, order_id))
                if order is None:
                    keep_up_to(number)
                    return self._poller.pause()
                orders.append(order)
            if len(orders) == ORDERS_OF_A_FILE:
                keep_up_to(number + 1)
        keep_up_to(len(self._ids))
        if self._state.changed_since:
            log.warning("%d orders changed after the window before they could be read.", self._state.changed_since)
        return None

    def _check(self, calls: int) -> list[tuple[str, datetime]]:
        ended, max_calls = self._export.summary, self._config.max_calls or 0
        left = ended.rows - len(self._spool) - self._state.changed_since
        if calls + left > max_calls:
            raise PagingLimitError(
                f"The window has {ended.rows:,} orders, more than the listing reaches: reading the {left:,} that are "
                f"left one by one makes {calls + left:,} calls, and max_calls allows {max_calls:,}. Give a shorter "
                "window, or more calls."
            )
        import pyarrow.parquet as pq

        rows = pq.read_table(self._file).to_pylist()
        return [(row["id"], row["updated_at"] or row["created_at"]) for row in rows]
