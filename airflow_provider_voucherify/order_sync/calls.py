"""
Make many calls at the same time: as fast as the quota allows and no faster, and never further than the state is saved.

An order counts as open from its call until the state with its outcome is saved. No more than ``max_concurrent_calls``
are open at any time, so no more than these are sent once more after a kill.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.api.too_many_requests import call_not_allowed
from airflow_provider_voucherify.exceptions import QuotaError, RetryableError, TransportError, VoucherifyError
from airflow_provider_voucherify.order_sync.checkpoint import Counters
from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.order_sync.outcomes import Outcomes, Settled
from airflow_provider_voucherify.order_sync.pending_orders import PendingOrders, SyncOrder
from airflow_provider_voucherify.order_sync.sender import Result, Sender, Sent
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode

LONG_WAIT = 5.0  # seconds; a shorter one is slept between two calls, a longer one is for whoever drives the job
SAVE_INTERVAL = 2.0
MAX_LOSSES = 3
RETRY_DELAY = 1.0  # seconds; it doubles with each loss

log = logging.getLogger(__name__)


class Calls:
    """
    Sends pending orders in threads, and records their outcome in this one.

    :param client: The API.
    :param pending: Hands out the orders.
    :param outcomes: Records what became of them.
    :param poller: Tolerates a bounded number of rounds in a row in which all calls failed in a way that may pass.
    :param counters: Count the orders that have an outcome.
    :param config: The options.
    :param save: Saves the state.
    :param check: Checks that this process still owns the state.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        pending: PendingOrders,
        outcomes: Outcomes,
        poller: Poller,
        counters: Counters,
        config: SyncConfig,
        save: Callable[[], None],
        check: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._transport = transport = client.transport
        transport.max_quota_wait = min(transport.max_quota_wait, LONG_WAIT)  # no thread waits where a pause is due
        self._sender = Sender(client, config.mode)
        self._pending = pending
        self._outcomes = outcomes
        self._poller = poller
        self._counters = counters
        self._max_open = config.max_concurrent_calls
        self._save = save
        self._check = check
        self._clock = clock
        self._sent: dict[Future[Sent], SyncOrder] = {}
        self._settled: list[Settled] = []
        self._unsaved_calls = 0
        self._saved_at = self._owned_at = clock()
        self._next_call_at = 0.0
        self._passing: RetryableError | None = None
        self._fatal: VoucherifyError | None = None

    @property
    def in_flight(self) -> int:
        """How many calls are on their way."""
        return len(self._sent)

    def make(self) -> Pause | None:
        """
        Make calls until every order has its outcome, or until there is something to wait for.

        :return: What to wait for; None if every order has its outcome. No call is on its way then.
        :raises VoucherifyError: if the job cannot continue; the outcomes up to there are saved.
        """
        with ThreadPoolExecutor(self._max_open, "voucherify-order-sync") as executor:
            while True:
                self._settled += map(Settled.unsent, self._pending.read())
                seconds = self._send(executor)
                if self._sent:
                    self._collect(timeout=min(seconds, SAVE_INTERVAL) if seconds else None)
                if self._must_save():
                    self._save_settled()
                if self._sent:
                    continue
                if self._fatal is not None:
                    fatal, self._fatal = self._fatal, None
                    raise fatal
                if self._passing is not None:
                    error, self._passing = self._passing, None
                    if self._poller.poll(partial(_raise, error)) is None:
                        return self._poller.pause()
                elif seconds >= LONG_WAIT:
                    return self._pause_for_quota(seconds)
                elif seconds:
                    time.sleep(seconds)
                elif self._pending.is_empty:
                    return None

    def _send(self, executor: ThreadPoolExecutor) -> float:
        """Send what can be sent now; return in how many seconds there may be more, 0.0 if that depends on no time."""
        while self._passing is None and self._fatal is None and self._open < self._max_open:
            now = self._clock()
            if seconds := max(self._transport.quota.seconds_to_wait(), self._next_call_at - now, 0.0):
                return seconds
            try:
                self._transport.renew_token()  # here, as Airflow learns of secrets in the main thread alone
            except (TransportError, QuotaError) as error:
                self._passing = error
                return 0.0
            if now - self._owned_at >= SAVE_INTERVAL:  # after a wait: what another process sends since is newer
                self._check()
                self._owned_at = now
            order = self._pending.take(now)
            if order is None:
                return self._pending.seconds_to_retry(now)
            self._next_call_at = now + min(self._transport.quota.call_interval, LONG_WAIT / 2)
            self._sent[executor.submit(self._sender.send, order)] = order
        return 0.0

    @property
    def _open(self) -> int:
        return len(self._sent) + self._unsaved_calls

    def _collect(self, timeout: float | None) -> None:
        """Wait for a call to end, and take all that have ended."""
        ended, _ = wait(self._sent, timeout, FIRST_COMPLETED)
        for future in ended:
            order = self._sent.pop(future)
            self._pending.finish(order)
            self._unsaved_calls += 1
            try:
                self._take(order, future.result())
            except VoucherifyError as error:
                self._pending.put_back(order)
                self._fatal = self._fatal or error

    def _take(self, order: SyncOrder, sent: Sent) -> None:
        if sent.result is Result.LOST:
            order.settled_before = order.settled_before if order.losses else self._counters.settled
            order.losses += 1
            order.retry_at = self._clock() + RETRY_DELAY * 2 ** (order.losses - 1)
            log.warning(
                "%s was sent, but the response was lost, and reading it back did not find what was sent. %s",
                order.record.position, sent.error,
            )  # fmt: skip
            if order.losses >= MAX_LOSSES and self._counters.settled > order.settled_before:
                reason = f"sent {order.losses} times, each response was lost, and reading back did not find it."
                sent = Sent(Result.UNKNOWN, f"{reason} {sent.error}", OutcomeCode.LOST)
        if sent.error is None:
            self._settled.append(Settled(order, sent))
            self._passing = None
            self._poller.reset_failures()
            return
        self._pending.put_back(order)
        if not self._transport.quota.seconds_to_wait():
            self._passing = sent.error

    def _must_save(self) -> bool:
        if not self._unsaved_calls and not self._settled:
            return False
        is_full = self._open >= self._max_open or not self._sent
        return is_full or self._clock() - self._saved_at >= SAVE_INTERVAL

    def _save_settled(self) -> None:
        self._outcomes.record(self._settled)
        self._pending.settle([settled.order for settled in self._settled])
        self._settled, self._unsaved_calls = [], 0
        self._save()
        self._saved_at = self._owned_at = self._clock()

    def _pause_for_quota(self, seconds: float) -> Pause:
        now = self._clock()
        transport = self._transport
        error = call_not_allowed(transport.quota, transport.settings.name, "POST /v1/orders", now + seconds)
        return self._poller.pause_for_quota(error, now)


def _raise(error: Exception) -> None:
    raise error
