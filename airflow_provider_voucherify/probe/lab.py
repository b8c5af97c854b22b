"""What the experiments work with: the client, marked orders, waits, and the limits of calls and orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.endpoints import PAGE_SIZE
from airflow_provider_voucherify.api.models import AsyncAction, Export
from airflow_provider_voucherify.exceptions import ExperimentError, NotFoundError
from airflow_provider_voucherify.probe.guard import MARKER
from airflow_provider_voucherify.probe.rates import RateRecorder
from airflow_provider_voucherify.probe.session import Session

MAX_CALLS = 60
MAX_ORDERS = 60
MAX_POLLS = 6
POLL_FACTOR = 3
BAD_ITEM = {"quantity": 1, "initial_quantity": 0}
T = TypeVar("T")
AT_ONCE, LATE = "at once", "late"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far a probe goes.

    :param poll_seconds: The first wait for an import or an export, in seconds; each further one is three times as long.
    :param link_ages: The ages in seconds at which a download link is tried.
    :param body_sizes: The bodies that are tried, in bytes: the sizes that are documented of other imports, the one that
        the provider sends at most, and some around them.
    :param max_import: The largest import that is tried, in orders. None of them is valid, so none is created.
    """

    poll_seconds: float = 0.5
    link_ages: tuple[float, ...] = (2.0, 10.0)
    body_sizes: tuple[int, ...] = (256_000, 1_000_000, 4_000_000, 8_000_000, 10_000_000, 10_485_760, 16_777_216)
    max_import: int = 5_000


class Lab:
    """
    A project in which experiments are made.

    :param client: The project.
    :param rates: Records the rate headers of the client.
    :param session: Where what is found goes to.
    :param bounds: How far it goes.
    :param time_scale: How many times as fast time passes there.
    :param sleep: Sleeps a number of seconds.

    ``listings`` is the number of listings that the last search for orders took.
    """

    def __init__(
        self,
        client: VoucherifyClient,
        rates: RateRecorder,
        session: Session,
        bounds: Bounds,
        time_scale: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.rates = rates
        self.session = session
        self.bounds = bounds
        self.time_scale = time_scale
        self.sleep = sleep
        self.listings = 0
        self._calls_before = session.calls

    @property
    def calls_left(self) -> int:
        """API calls that may still be made."""
        return MAX_CALLS - self.calls

    @property
    def calls(self) -> int:
        """API calls that were made, in this process and before."""
        return self._calls_before + self.client.transport.calls

    def source_id(self, name: str) -> str:
        """
        Return the source_id of an order of this attempt.

        :param name: Tells it from the others.
        """
        return f"voucherify-probe-{self.session.key}-{self.session.attempt}-{name}"

    def order(self, name: str, **fields: Any) -> dict[str, Any]:
        """
        Make an order that is marked and cancelled from the start, and count it.

        :param name: Tells it from the others.
        :param fields: Its further fields.
        :raises ExperimentError: if it would be one too many.
        :return: The order, to be sent.
        """
        if self.session.orders >= MAX_ORDERS:
            raise ExperimentError(f"The probe has made {MAX_ORDERS} orders, and makes no more.")
        self.session.orders += 1
        metadata = {MARKER: self.session.key, **fields.pop("metadata", {})}
        return {"source_id": self.source_id(name), "status": "CANCELED", **fields, "metadata": metadata}

    def bad_order(self) -> dict[str, Any]:
        """Make an order that the API refuses (seen in an example), and that is marked should it not be refused."""
        metadata = {MARKER: self.session.key}
        return {"source_id": self.source_id("bad"), "status": "CANCELED", "items": [BAD_ITEM], "metadata": metadata}

    def import_orders(self, orders: list[dict[str, Any]]) -> str:
        """
        Import orders.

        :param orders: The orders.
        :return: The id of the action.
        """
        with self.rates.of_import():
            return self.client.import_orders(orders)

    def listed(self, wanted: Collection[str] = ()) -> dict[str, dict[str, Any]]:
        """
        List the orders of this session among the newest, with one call, or two if some are not there yet.

        :param wanted: The source ids that are expected.
        :return: The orders by their source ids.
        """
        found: dict[str, dict[str, Any]] = {}
        self.listings = 0
        for pause in (0.0, self.bounds.poll_seconds * POLL_FACTOR):
            self.sleep(pause)
            self.listings += 1
            page = self.client.list_orders(limit=PAGE_SIZE, sort_order="-created_at")
            found = {str(order.get("source_id")): order for order in page.orders}
            if found.keys() >= set(wanted):
                break
        return found

    def wait_for_action(self, action_id: str) -> AsyncAction:
        """
        Wait until an action has ended.

        :param action_id: The action.
        :raises ExperimentError: if it takes too long.
        :return: The action with its result.
        """

        def get() -> AsyncAction | None:
            try:
                action = self.client.get_async_action(action_id)
            except NotFoundError:
                return None
            return action if action.ended else None

        return self._wait_for(get, f"async action {action_id}")

    def wait_for_export(self, export_id: str) -> Export:
        """
        Get an export that has ended, and may not be readable by its id yet.

        :param export_id: The export.
        :raises ExperimentError: if it stays so.
        :return: The export with fresh links.
        """

        def get() -> Export | None:
            try:
                return self.client.get_export(export_id)
            except NotFoundError:
                return None

        return get() or self._wait_for(get, f"export {export_id}")

    def wait_for_exports(self, export_ids: Collection[str]) -> Mapping[str, Export]:
        """
        Wait until exports have ended, all with one call a poll.

        :param export_ids: The exports.
        :raises ExperimentError: if they take too long.
        :return: The exports by id.
        """

        def find() -> Mapping[str, Export] | None:
            found = self.client.find_exports(export_ids)
            return found if len(found) == len(export_ids) and all(one.ended for one in found.values()) else None

        return self._wait_for(find, f"exports {', '.join(export_ids)}")

    def _wait_for(self, poll: Callable[[], T | None], what: str) -> T:
        delay, start = self.bounds.poll_seconds, time.monotonic()
        for _ in range(MAX_POLLS):
            self.sleep(delay)
            delay *= POLL_FACTOR
            if (ended := poll()) is not None:
                return ended
        raise ExperimentError(f"{what} has not ended after {time.monotonic() - start:.0f} s. Resume the probe later.")

    def count_calls(self, calls: int) -> None:
        """
        Count calls that another client made.

        :param calls: How many.
        """
        self._calls_before += calls
