"""Orders that are created and updated one by one."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import ApiError, InvalidRequestError, RequestRefusedError
from airflow_provider_voucherify.probe.guard import MARKER
from airflow_provider_voucherify.probe.lab import Lab

REFUSALS = (InvalidRequestError, RequestRefusedError)
UNSENT_FIELDS = (
    "initial_amount", "discount_amount", "items_discount_amount", "total_discount_amount", "applied_discount_amount",
    "total_amount", "customer", "customer_id", "referrer", "referrer_id", "items", "redemptions",
)  # fmt: skip
SENT_AMOUNT, ITEM_AMOUNT = 1000, 300


def create_orders(lab: Lab) -> None:
    """
    Create three orders, and update one.

    :param lab: The project.
    """
    session, client = lab.session, lab.client
    # as JSON it is not sent again if the response is lost: the second request would update what the first created
    order = client.create_order(msgspec.json.encode(lab.order("new", metadata={"first": "1"})))
    session.notes["new"] = lab.source_id("new")
    session.found("new_updated_at", updated_at_of(order), f"updated_at {order.get('updated_at')!r}")
    shown = sorted(name for name in UNSENT_FIELDS if name in order)
    values = {name: order[name] for name in shown}
    session.found("fields_without_value", shown, f"{values}")
    changed = client.update_order(
        lab.source_id("new"), {"metadata": {MARKER: session.key, "second": "2"}, "status": "CANCELED"}
    )
    metadata = changed.get("metadata") or {}
    answer = "merged" if "first" in metadata else "replaced"
    session.found(
        "metadata_update", answer, f"keys {sorted(metadata)} after 'second' was sent to an order with 'first'"
    )
    sent_id = f"ord_{lab.source_id('id').replace('-', '')}"
    session.found("unknown_id", *_create(lab, "id", {"id": sent_id}, lambda found: _id_answer(found, sent_id)))
    fields = with_other_amount()
    session.found("amount_mismatch", *_create(lab, "amount", fields, amount_answer))


def with_other_amount() -> dict[str, Any]:
    """Return the fields of an order whose amount is not the sum of its items."""
    return {"amount": SENT_AMOUNT, "items": [{"quantity": 1, "price": ITEM_AMOUNT, "amount": ITEM_AMOUNT}]}


def amount_answer(order: dict[str, Any]) -> str:
    """
    Tell which amount an order of :func:`with_other_amount` has.

    :param order: The order.
    """
    return {SENT_AMOUNT: "as sent", ITEM_AMOUNT: "sum of the items"}.get(order.get("amount", -1), "another")


def updated_at_of(order: dict[str, Any]) -> str:
    """
    Tell what the updated_at of a new order is.

    :param order: The order.
    """
    updated_at = order.get("updated_at")
    if updated_at is None:
        return "null"
    return "created" if updated_at == order.get("created_at") else "another time"


def refusal(error: ApiError) -> str:
    """
    Describe a refusal as evidence.

    :param error: The error.
    """
    return f"HTTP {error.response.status} {error.response.key or ''}: {error.response.reason}"


def _create(lab: Lab, name: str, fields: dict[str, Any], answer_of: Any) -> tuple[str, str]:
    try:
        order = lab.client.create_order(lab.order(name, **fields))
    except REFUSALS as error:
        return "refused", refusal(error)
    return answer_of(order), f"id {order.get('id')!r}, amount {order.get('amount')!r}"


def _id_answer(order: dict[str, Any], sent_id: str) -> str:
    return "kept" if order.get("id") == sent_id else "replaced"
