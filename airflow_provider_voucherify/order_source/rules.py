"""What to do with orders beyond what the API demands: side effects on customers and catalogue, and repeated ids."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.order_source.duplicates import Duplicates
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError
from airflow_provider_voucherify.order_source.schema.order import CUSTOMER_FIELDS, CheckedOrder, Traits

Treatment = Literal["send", "strip", "reject"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to do with orders whose import has an effect beyond the orders.

    :param customers: ``send`` orders with their customer or referrer; ``strip`` both from them; or ``reject`` such
        orders. An import with customers moves them through segments, which triggers distributions and earning rules
        (documented).
    :param product_overrides: ``send`` orders whose products or SKUs have ``override: true``, which replaces name,
        price and metadata in the catalogue (documented); ``strip`` the override; or ``reject`` such orders.
    :param duplicates: Which orders do not count because another one has their ``source_id``; None to send them all.
    :raises ConfigurationError: if a treatment is not one of these.
    """

    customers: Treatment = "send"
    product_overrides: Treatment = "send"
    duplicates: Duplicates | None = None

    def __post_init__(self) -> None:
        for name in ("customers", "product_overrides"):
            check_choice(name, getattr(self, name), get_args(Treatment))

    @property
    def alter(self) -> bool:
        """Whether they may change or reject orders by their side effects."""
        return self.customers != "send" or self.product_overrides != "send"

    @property
    def traits_sent(self) -> int:
        """The traits that orders can have after the rules are applied, as bits of :class:`Traits`."""
        stripped = 0 if self.customers == "send" else Traits.CUSTOMER
        return ~(stripped if self.product_overrides == "send" else stripped | Traits.OVERRIDE)

    def apply(self, order: CheckedOrder, body: bytes) -> bytes:
        """
        Strip from an order what is not to be sent.

        :param order: What is known of the order.
        :param body: Its JSON document.
        :return: What to send: ``body`` itself where there is nothing to strip.
        :raises InvalidOrderError: if the order is not to be sent.
        """
        if self.customers != "send" and order.traits & Traits.CUSTOMER:
            if self.customers == "reject":
                raise InvalidOrderError(
                    "has a customer or referrer, who would move through segments (customers='reject')"
                )
            body = _without(body, CUSTOMER_FIELDS)
        if self.product_overrides != "send" and order.traits & Traits.OVERRIDE:
            if self.product_overrides == "reject":
                raise InvalidOrderError("overrides products of the catalogue (product_overrides='reject')")
            body = _without_overrides(body)
        return body


def _without(body: bytes, names: tuple[str, ...]) -> bytes:
    fields = _decode_fields(body)
    return _encode({name: value for name, value in fields.items() if name not in names})


def _without_overrides(body: bytes) -> bytes:
    order = _decode_fields(body)
    items = [_decode_fields(item) for item in _decode_list(order["items"])]
    for item in items:
        for name in ("product", "sku"):
            if name in item and (product := _decode_nullable(item[name])):
                product.pop("override", None)
                item[name] = msgspec.Raw(_encode(product))
    return _encode({**order, "items": items})


NO_RULES = Rules()

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_nullable = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
