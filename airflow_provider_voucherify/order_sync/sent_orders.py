"""The content of orders that were sent lately, so that one that is read again unchanged is not sent again."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator

from airflow_provider_voucherify.exceptions import StateError
from airflow_provider_voucherify.order_source.checked_records import CheckedRecord

HASH_BYTES = 8
MAX_ORDERS = 2000  # some 43 kB as text


class SentOrders:
    """
    Hashes of the last orders that were sent: of what identifies them, and of what was sent.

    :param text: What :meth:`to_text` returned; empty for none.
    :raises StateError: if it is anything else.
    """

    def __init__(self, text: str = "") -> None:
        try:
            hashes = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            hashes = b"?"
        if len(hashes) % (2 * HASH_BYTES):
            raise StateError(
                "The orders that were sent lately cannot be read: somebody changed them. Leave them out (give the "
                "watermark of a task as a time alone), and all orders are sent."
            )
        self._content = dict(_pairs(hashes))

    def __len__(self) -> int:
        """How many orders are remembered."""
        return len(self._content)

    def to_text(self) -> str:
        """Return the hashes as text."""
        return base64.b64encode(b"".join(key + content for key, content in self._content.items())).decode()

    def add(self, orders: Iterable[CheckedRecord]) -> None:
        """
        Remember orders, and forget the oldest beyond a number.

        :param orders: The orders. Those without a ``source_id``, and those that are not sent, are left out.
        """
        for order in orders:
            if order.source_id is not None:
                self._forget(order.source_id)
                self._content[_hash(order.source_id.encode())] = _hash(order.body)
                if len(self._content) > MAX_ORDERS:
                    del self._content[next(iter(self._content))]

    def has(self, source_id: str, body: bytes) -> bool:
        """
        Return whether an order was sent with this content last.

        :param source_id: Its ``source_id``.
        :param body: The order as it would be sent.
        """
        return self._content.get(_hash(source_id.encode())) == _hash(body)

    def forget_changed(self, orders: Iterable[CheckedRecord]) -> bool:
        """
        Forget the orders that have another content now.

        :param orders: The orders that are to be sent.
        :return: Whether there were any.
        """
        before = len(self)
        for order in orders:
            if order.source_id is not None and not self.has(order.source_id, order.body):
                self._forget(order.source_id)
        return len(self) < before

    def _forget(self, source_id: str) -> None:
        self._content.pop(_hash(source_id.encode()), None)


def _hash(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=HASH_BYTES).digest()


def _pairs(hashes: bytes) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(hashes), 2 * HASH_BYTES):
        middle = start + HASH_BYTES
        yield hashes[start:middle], hashes[middle : middle + HASH_BYTES]
