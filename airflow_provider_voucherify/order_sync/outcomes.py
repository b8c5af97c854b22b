"""Record what became of the orders: in the counters, in the observations and in the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_voucherify.order_load.invalid_orders import invalid_outcome
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_sync.checkpoint import MAX_ORDER_IDS, SyncState
from airflow_provider_voucherify.order_sync.pending_orders import SyncOrder
from airflow_provider_voucherify.order_sync.sender import Result, Sent
from airflow_provider_voucherify.reporting.reject_files import Outcome, Report


@dataclass(frozen=True)
class Settled:
    """
    An order that has its outcome, and what that is.

    :param order: The order.
    :param sent: What became of it.
    """

    order: SyncOrder
    sent: Sent

    @classmethod
    def unsent(cls, order: SyncOrder) -> Settled:
        """
        Make the outcome of an order that is not sent: rejected if it has an error, otherwise loaded before.

        :param order: The order.
        """
        return cls(order, Sent(Result.LOADED if order.error is None else Result.REJECTED))

    def outcome(self) -> Outcome:
        """Return its outcome as the report has it."""
        record, sent = self.order.record, self.sent
        if self.order.error is not None:
            return invalid_outcome(record, self.order.error)
        return Outcome(record.position, source_id_of(record.body), sent.reason, record.body.strip(), code=sent.code)


class Outcomes:
    """
    Records the outcome of orders.

    :param state: Has the counters, the observations and the number of the next file.
    :param report: Where orders that were not loaded are written.
    :param check: Checks that this process still owns the state, before it writes to the report.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, state: SyncState, report: Report, check: Callable[[], None], clock: Callable[[], float]) -> None:
        self._state = state
        self._report = report
        self._check = check
        self._clock = clock

    def record(self, settled: Sequence[Settled]) -> None:
        """
        Record the outcome of some orders. Those that were not loaded are written before the state is saved.

        :param settled: The orders, in any order.
        """
        counters, observations, checkpoint = self._state.counters, self._state.observations, self._state.checkpoint
        by_position = sorted(settled, key=lambda one: one.order.record.number)
        lost = [(one.sent.result, one.outcome()) for one in by_position if one.sent.result is not Result.LOADED]
        superseded = [outcome for _, outcome in lost if outcome.superseded]
        rejected = [outcome for result, outcome in lost if result is Result.REJECTED and not outcome.superseded]
        unknown = [outcome for result, outcome in lost if result is Result.UNKNOWN]
        if rejected or unknown or superseded:
            self._check()
            number = checkpoint.take_number()
            for kind, outcomes in (("rejected", rejected), ("unknown", unknown), ("superseded", superseded)):
                self._report.write(kind, number, outcomes, attempt=1)
        counters.loaded += sum(one.sent.result is Result.LOADED for one in settled)
        counters.rejected += len(rejected) + len(superseded)
        counters.superseded += len(superseded)
        counters.unknown += len(unknown)
        counters.refused += sum(one.sent.result is Result.REJECTED and one.order.error is None for one in settled)
        for one in by_position:
            number, order = one.order.record.number, one.sent.order
            if order is not None and number < MAX_ORDER_IDS:
                self._state.order_ids.append((number, order.id))
                self._state.first_order = order if number == 0 else self._state.first_order
        observations.add_failures([*rejected, *unknown])
        observations.mark(self._clock(), counters.settled)
