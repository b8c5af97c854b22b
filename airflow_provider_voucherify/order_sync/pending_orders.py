"""The orders between the source and their outcome: a bounded number, of which any that waits for no other is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from airflow_provider_voucherify.order_source.checked_records import CheckedRecord, checked
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError
from airflow_provider_voucherify.order_source.source import Record, Source
from airflow_provider_voucherify.order_sync.checkpoint import Checkpoint
from airflow_provider_voucherify.order_sync.config import OrderedBy
from airflow_provider_voucherify.order_sync.sent_orders import SentOrders

MAX_RECORDS = 2000  # from the first one without an outcome on: a slow call holds nobody up for long
MAX_UNSENT = 100
MAX_UNSETTLED_BYTES = 8 << 20


class CustomerIdentity(msgspec.Struct):
    """What identifies a customer in an order."""

    id: str | None = None
    source_id: str | None = None


class Identity(msgspec.Struct):
    """What identifies an order and its customer."""

    id: str | None = None
    source_id: str | None = None
    customer: CustomerIdentity | None = None

    def keys(self, ordered_by: OrderedBy) -> frozenset[tuple[str, str | None]]:
        """
        Return what must not be in two calls at the same time.

        :param ordered_by: Whether that is the order alone, or its customer as well.
        """
        keys = {("id", self.id), ("source_id", self.source_id)}
        if ordered_by == "customer" and self.customer is not None:
            keys |= {("customer", self.customer.id), ("customer of source", self.customer.source_id)}
        return frozenset(key for key in keys if key[1])


_identify = msgspec.json.Decoder(Identity).decode


@dataclass(eq=False)
class SyncOrder:
    """
    A record of the source on its way to an outcome.

    :param record: The record; without its body once it has an outcome.
    :param body: The order as it is sent; empty once it has an outcome.
    :param identity: What identifies it.
    :param keys: What must not be in two calls at the same time.
    :param error: Why it is not sent, if it is not.
    :param is_settled: Whether it has an outcome.
    :param losses: How often the response to it was lost, and reading back did not find it.
    :param settled_before: How many orders had an outcome when that happened for the first time.
    :param retry_at: When it may be sent again, in seconds since the epoch.
    """

    record: Record
    body: bytes
    identity: Identity
    keys: frozenset[tuple[str, str | None]] = frozenset()
    error: InvalidOrderError | None = None
    is_settled: bool = False
    losses: int = 0
    settled_before: int = 0
    retry_at: float = 0.0

    @property
    def size(self) -> int:
        """The bytes that it takes until it is settled."""
        return len(self.record.body) + len(self.body)


class PendingOrders:
    """
    Reads ahead, hands out orders to send, and moves the checkpoint as they get their outcome.

    :param source: The orders.
    :param checkpoint: Where to resume. It moves as orders are settled, but is not saved here.
    :param rules: What to do with orders beyond what the API demands.
    :param ordered_by: Which orders are never sent at the same time.
    :param sent_before: What was sent before this job, and is not sent again unless it has changed.
    """

    def __init__(
        self, source: Source, checkpoint: Checkpoint, rules: Rules, ordered_by: OrderedBy, sent_before: SentOrders
    ) -> None:
        self._source = source
        self._checkpoint = checkpoint
        self._rules = rules
        self._ordered_by = ordered_by
        self._sent_before = sent_before
        self._orders: deque[SyncOrder] = deque()
        self._unsent: list[SyncOrder] = []
        self._unsettled_bytes = 0
        self._sent: set[SyncOrder] = set()
        self._settled_before = {checkpoint.cursor.number + offset for offset in checkpoint.settled_beyond}
        self._reader: Iterator[CheckedRecord] | None = None
        self._is_read = False

    @property
    def is_empty(self) -> bool:
        """Whether every order of the source has its outcome."""
        return self._is_read and not self._orders

    @property
    def first_position(self) -> str | None:
        """The position of the first order that was read and has no outcome; None if there is none."""
        return self._orders[0].record.position if self._orders else None

    @property
    def share_settled(self) -> float | None:
        """The share of the source that is settled, 0 to 1; None if its length is unknown."""
        cursor = self._checkpoint.cursor
        return self._source.share(cursor) if cursor.number else 0.0

    def read(self) -> list[SyncOrder]:
        """
        Read ahead as far as memory allows.

        :return: Those of the orders read that are not sent, because they are invalid, superseded or unchanged.
        """
        unsent: list[SyncOrder] = []
        while (
            not self._is_read
            and len(self._orders) < MAX_RECORDS
            and len(self._unsent) < MAX_UNSENT
            and self._unsettled_bytes < MAX_UNSETTLED_BYTES
        ):
            order = self._next()
            if order is None:
                self._is_read = True
                break
            self._orders.append(order)
            if order.is_settled:
                continue
            self._unsettled_bytes += order.size
            if order.error is not None or self._was_sent(order):
                unsent.append(order)
            else:
                self._unsent.append(order)
        self._trim()
        return unsent

    def take(self, now: float) -> SyncOrder | None:
        """
        Take the next order that waits for no other.

        :param now: The current time in seconds since the epoch.
        :return: None if there is none for now.
        """
        busy = {key for sent in self._sent for key in sent.keys}
        for index, order in enumerate(self._unsent):
            if order.retry_at <= now and busy.isdisjoint(order.keys):
                del self._unsent[index]
                self._sent.add(order)
                return order
            busy |= order.keys
        return None

    def seconds_to_retry(self, now: float) -> float:
        """
        Return in how many seconds an order may be sent again; 0.0 if none waits for that.

        :param now: The current time in seconds since the epoch.
        """
        return min((order.retry_at - now for order in self._unsent if order.retry_at > now), default=0.0)

    def put_back(self, order: SyncOrder) -> None:
        """
        Return an order that has to be sent once more, before all that are read after it.

        :param order: The order.
        """
        self._unsent.append(order)
        self._unsent.sort(key=lambda unsent: unsent.record.number)

    def finish(self, order: SyncOrder) -> None:
        """
        Let the orders that wait for this one be sent, as its call has ended.

        :param order: The order.
        """
        self._sent.discard(order)

    def settle(self, orders: Sequence[SyncOrder]) -> None:
        """
        Move the checkpoint past orders that have their outcome.

        :param orders: The orders.
        """
        for order in orders:
            self._unsettled_bytes -= order.size
            order.is_settled, order.body = True, b""
            order.record = msgspec.structs.replace(order.record, body=b"")
        self._trim()

    def _was_sent(self, order: SyncOrder) -> bool:
        """Return whether an order has the content that was sent before."""
        source_id = order.identity.source_id
        return source_id is not None and self._sent_before.has(source_id, order.body)

    def _trim(self) -> None:
        checkpoint = self._checkpoint
        while self._orders and self._orders[0].is_settled:
            checkpoint.cursor = self._orders.popleft().record.after
        number = checkpoint.cursor.number
        read = [order.record.number - number for order in self._orders if order.is_settled]
        last = self._orders[-1].record.number if self._orders else number - 1
        unread = sorted(known - number for known in self._settled_before if known > last)
        checkpoint.settled_beyond = read + unread

    def _next(self) -> SyncOrder | None:
        if self._reader is None:
            cursor, findings = self._checkpoint.cursor, self._checkpoint.findings
            findings.watch(self._source.options)
            self._reader = checked(self._source.read(cursor), self._rules, findings, cursor.number)
        read = next(self._reader, None)
        if read is None:
            return None
        if read.record.number in self._settled_before:
            return SyncOrder(read.record, b"", Identity(), is_settled=True)
        if read.error is not None:
            return SyncOrder(read.record, b"", Identity(), error=read.error)
        identity = _identify(read.body)
        return SyncOrder(read.record, read.body, identity, identity.keys(self._ordered_by))
