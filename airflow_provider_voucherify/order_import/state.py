"""How far an import has come: one small JSON document, from which another process can go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import msgspec

from airflow_provider_voucherify.api.errors import VoucherifyError
from airflow_provider_voucherify.order_import.chunk import MAX_BODY_BYTES, MAX_ORDERS
from airflow_provider_voucherify.order_import.source import Cursor

Save = Callable[["ImportState"], None]

KEPT_IDS = 100
KEPT_REASONS = 10


class Stretch(msgspec.Struct):
    """
    Records that are still to be sent, out of turn: parts of a chunk that was refused, or not taken.

    :param start: The place before the first of them.
    :param records: How many.
    """

    start: Cursor
    records: int


class Flight(msgspec.Struct):
    """
    A chunk on its way: written down before it is posted, its action as soon as it is known.

    :param number: The number of the chunk; its outcome files bear it.
    :param start: The place before its first record.
    :param records: Records of the source that it covers.
    :param orders: Orders in its body.
    :param body_hash: Hash of the body, to know it again.
    :param sent_at: Seconds since the epoch, on Voucherify's clock.
    :param action_id: The async action that imports it; None while nobody knows whether it was taken.
    :param looks: How often the action was looked for after the answer was lost.
    """

    number: int
    start: Cursor
    records: int
    orders: int
    body_hash: str
    sent_at: float
    action_id: str | None = None
    looks: int = 0

    @property
    def stretch(self) -> Stretch:
        """Its records, to be sent again."""
        return Stretch(self.start, self.records)


class ImportState(msgspec.Struct, kw_only=True):
    """
    The ledger of an import.

    :param fingerprint: Which source this is about.
    :param cursor: The first record that no chunk covers yet.
    :param queue: What is to be sent before the cursor goes on.
    :param in_flight: What was sent and is not settled.
    :param max_orders: Orders a chunk, for the rest of the run.
    :param max_body_bytes: Bytes a body, for the rest of the run.
    :param chunks: Requests that Voucherify took.
    :param bisections: Requests made to find the bad orders of a refused one.
    :param api_calls: Calls made, by all tries together.
    :param action_seconds: Average processing time of an action, as far as seen.
    :param action_ids: The first 100 actions.
    :param recent_ids: The last 100 actions, which are known when a lost one is looked for.
    :param reasons: The first losses, for the message.
    """

    fingerprint: str
    cursor: Cursor = Cursor()
    queue: list[Stretch] = []
    in_flight: list[Flight] = []
    max_orders: int = MAX_ORDERS
    max_body_bytes: int = MAX_BODY_BYTES
    next_number: int = 1
    loaded: int = 0
    rejected: int = 0
    unknown: int = 0
    chunks: int = 0
    bisections: int = 0
    api_calls: int = 0
    action_seconds: float | None = None
    action_ids: list[str] = []
    recent_ids: list[str] = []
    reasons: list[str] = []

    @property
    def settled(self) -> int:
        """How many orders have an outcome."""
        return self.loaded + self.rejected + self.unknown

    def take_number(self) -> int:
        """Number a chunk."""
        number = self.next_number
        self.next_number += 1
        return number

    def remember(self, action_id: str) -> None:
        """Keep the id of an action, as far as there is room for it."""
        if len(self.action_ids) < KEPT_IDS:
            self.action_ids.append(action_id)
        self.recent_ids = [*self.recent_ids, action_id][-KEPT_IDS:]

    def to_json(self) -> dict[str, Any]:
        """Give the document."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """
        Read the document.

        :raises VoucherifyError: if it is none of ours.
        """
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise VoucherifyError(
                f"The state of the import cannot be read ({error}); it may be of another version of this provider. "
                "Finish the import with that version, or start afresh."
            ) from error
