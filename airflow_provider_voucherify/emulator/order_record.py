"""An order as the emulator stores it: changed by payloads, its amounts calculated, shown by the API."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import msgspec
from msgspec import Struct

from airflow_provider_voucherify.emulator.catalogue import Catalogue
from airflow_provider_voucherify.emulator.errors import invalid_payload
from airflow_provider_voucherify.emulator.ids import new_id, timestamp
from airflow_provider_voucherify.emulator.order_schema import MAX_AMOUNT, Item, OrderPayload


class OrderRecord(Struct, kw_only=True):
    """A stored order; the fields are the columns of the table, in its order."""

    id: str
    source_id: str | None
    created_at: str
    updated_at: str | None = None
    status: str = "CREATED"
    amount: int | None = None
    initial_amount: int | None = None
    discount_amount: int | None = None
    items_discount_amount: int | None = None
    total_discount_amount: int | None = None
    total_amount: int | None = None
    customer_id: str | None = None
    referrer_id: str | None = None
    metadata: str = "{}"
    items: bytes = b"[]"

    def change(self, payload: OrderPayload, catalogue: Catalogue) -> None:
        """Apply a payload: change what it sends, keep the rest, and recalculate the amounts.

        The items that are sent determine the amount (documented: "the sum of the order items' amounts"); an amount
        that is sent counts only where no item has one. Metadata are replaced as a whole (whether they are merged is
        unknown).

        :param payload: A checked payload.
        :param catalogue: Products and SKUs of the project.
        :raises ResponseError: if an amount is beyond ``2**53 - 1``, or JSON is nested more than 100 levels deep.
        """
        try:
            self._change(payload, catalogue)
        except RecursionError:
            raise invalid_payload("Property .metadata is nested too deeply") from None

    def _change(self, payload: OrderPayload, catalogue: Catalogue) -> None:
        self.source_id = self.source_id if payload.source_id is None else payload.source_id
        self.status = payload.status or self.status
        if payload.amount is not None and (payload.items is not None or not self._items_have_amounts()):
            self.amount = payload.amount
        if payload.discount_amount is not None:
            self.discount_amount = payload.discount_amount or None
        if payload.items is not None:
            self._take_items(payload.items, catalogue)
        if payload.initial_amount is not None:
            self.initial_amount = payload.initial_amount
        discount = (self.discount_amount or 0) + (self.items_discount_amount or 0)
        self.total_discount_amount = discount or None
        self.total_amount = None if self.amount is None else max(self.amount - discount, 0)
        if max(self.amount or 0, self.initial_amount or 0, discount) > MAX_AMOUNT:
            raise invalid_payload(f"Property .amount cannot be greater than {MAX_AMOUNT}")
        if payload.metadata is not None:
            encoded = msgspec.json.encode(payload.metadata)
            _check_depth("metadata", encoded)
            self.metadata = encoded.decode()
        if payload.customer is not None:
            self.customer_id = payload.customer.identity()
        if payload.referrer is not None:
            self.referrer_id = payload.referrer.identity()
        elif payload.referrer_id is not None:
            self.referrer_id = payload.referrer_id

    def _items_have_amounts(self) -> bool:
        return any(item.amount is not None for item in msgspec.json.decode(self.items, type=list[Item]))

    def _take_items(self, items: list[Item], catalogue: Catalogue) -> None:
        for item in items:
            catalogue.resolve(item)
            item.calculate()
        amounts = [item.amount for item in items if item.amount is not None]
        if amounts:
            self.amount = sum(amounts)
        self.items_discount_amount = sum(item.discount_amount or 0 for item in items) or None
        encoded = msgspec.json.encode(items)
        _check_depth("items", encoded)
        self.items = encoded

    def document(self) -> dict[str, Any]:
        """Return the order as the API was recorded to show it: identities may be null, what is empty is left out."""
        document: dict[str, Any] = {
            "id": self.id,
            "source_id": self.source_id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "status": self.status,
        }
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value is not None:
                document[name] = value
        if self.items != b"[]":
            document["items"] = msgspec.Raw(self.items)
        if self.metadata != "{}":
            document["metadata"] = msgspec.Raw(self.metadata.encode())
        if self.customer_id is not None:
            document["customer"] = {"id": self.customer_id, "object": "customer"}
        if self.referrer_id is not None:
            document["referrer"] = {"id": self.referrer_id, "object": "customer"}
        document["customer_id"] = self.customer_id
        document["referrer_id"] = self.referrer_id
        document["object"] = "order"
        return document


# The limit of the API is unknown; a client's JSON parser can read back what is within this one
MAX_DEPTH = 100
_TEXT_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')

_AMOUNTS = (
    "amount",
    "initial_amount",
    "discount_amount",
    "items_discount_amount",
    "total_discount_amount",
    "total_amount",
)


def _check_depth(name: str, encoded: bytes) -> None:
    if encoded.count(b"{") + encoded.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _TEXT_OR_BRACKET.findall(encoded):
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(bracket, 0)
        if depth > MAX_DEPTH:
            raise invalid_payload(f"Property .{name} is nested too deeply")


def new_order(payload: OrderPayload, created_at: str, updated_at: str | None) -> OrderRecord:
    """Return an empty order with an id of its own, whatever id was sent (what Voucherify does with that: unknown).

    :param payload: The payload it is made by.
    :param created_at: ISO time.
    :param updated_at: ISO time or None.
    :return: The order, to be changed by the payload.
    """
    return OrderRecord(id=new_id("ord_"), source_id=payload.source_id, created_at=created_at, updated_at=updated_at)


def sent_created_at(payload: OrderPayload) -> str | None:
    """Return the creation time that a payload to create or update carries, in Voucherify's form, or None.

    :param payload: A checked payload.
    :raises ResponseError: if it lies outside the years 1 to 9999 in UTC.
    """
    if payload.created_at is None:
        return None
    moment = payload.created_at
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise invalid_payload("Property .created_at cannot be recognized as a ISO-8601 compliant date") from None
