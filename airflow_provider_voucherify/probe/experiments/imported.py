"""Orders that are imported, once and again."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.api.facts import NOT_TOLD
from airflow_provider_voucherify.api.models import AsyncAction
from airflow_provider_voucherify.exceptions import NotFoundError
from airflow_provider_voucherify.probe.experiments.created import (
    REFUSALS,
    amount_answer,
    refusal,
    with_other_amount,
)
from airflow_provider_voucherify.probe.lab import AT_ONCE, LATE, Lab

OLD_TIME = "2020-01-02T03:04:05.678Z"
FIRST_AMOUNT, SECOND_AMOUNT = 1000, 2000
CUSTOMER_ID = "cust_voucherifyprobe0000000001"
# Each is imported alone, as it may be refused with all that is imported with it.
ODD_FIELDS: dict[str, dict[str, Any]] = {
    "import_customer_id": {"customer_id": CUSTOMER_ID},
    "import_unknown_field": {"voucherify_probe_field": 1},
    "import_negative_amount": {"amount": -100},
}


def import_orders(lab: Lab) -> None:
    """
    Import some orders together, and each odd one alone; read them back by one listing.

    :param lab: The project.
    """
    session = lab.session
    plain = {"amount": FIRST_AMOUNT, "created_at": OLD_TIME}
    try:
        actions = {"plain": _import_plain(lab, plain)}
    except REFUSALS as error:  # created_at is not in the documents of the body any more
        session.found("import_created_at", "refused", refusal(error))
        del plain["created_at"]
        actions = {"plain": _import_plain(lab, plain)}
    try:
        lab.client.get_async_action(actions["plain"])
    except NotFoundError as error:
        session.found("action_visible", LATE, refusal(error))
    else:
        session.found("action_visible", AT_ONCE, "the first GET found it")
    for question, fields in ODD_FIELDS.items():
        name = question.removeprefix("import_")
        try:
            actions[question] = lab.import_orders([lab.order(name, **{"amount": FIRST_AMOUNT, **fields})])
        except REFUSALS as error:
            session.found(question, "refused", refusal(error))
    last = lab.wait_for_action(list(actions.values())[-1])
    session.measured["import"] = (last.processing_time or 0.0) / 1000
    result = lab.wait_for_action(actions["plain"]) if len(actions) > 1 else last
    accepted = [question.removeprefix("import_") for question in actions if question != "plain"]
    expected = {lab.source_id(name) for name in ("a", "b", "c", *accepted)}
    orders = lab.listed(expected)
    _read_plain(lab, orders, result, plain)
    for question in [name for name in ODD_FIELDS if name in actions]:
        order = orders.get(lab.source_id(question.removeprefix("import_")))
        if order is None:
            action = lab.client.get_async_action(actions[question])
            session.found(question, "the order fails", _failures(action))
        else:
            session.found(question, *_odd_answer(question, order))


def import_again(lab: Lab) -> None:
    """
    Import a changed order, an unchanged one, and one whose id and source_id are those of two orders.

    :param lab: The project.
    """
    session = lab.session
    ids = {name: session.note(name) for name in ("new", "a", "b", "c", "c updated_at")}
    unchanged = lab.order("c", **with_other_amount())
    conflict = lab.order("b", id=ids["b"], amount=FIRST_AMOUNT)
    rows = [
        lab.order("a", amount=SECOND_AMOUNT) | {"source_id": ids["a"]},
        unchanged | {"source_id": ids["c"]},
        conflict | {"source_id": ids["new"]},
    ]
    action = lab.wait_for_action(lab.import_orders(rows))
    page = lab.client.list_orders(limit=100, sort_order="-created_at").orders
    found = [order for order in page if order.get("source_id") == ids["a"]]
    amounts = sorted(order.get("amount") or 0 for order in found)
    failed = [failure.source_id for failure in action.failures]
    answer = {
        (SECOND_AMOUNT,): "upsert",
        (FIRST_AMOUNT, SECOND_AMOUNT): "duplicates",
        (FIRST_AMOUNT,): "insert" if action.failed_count > 1 else "ignores",
    }.get(tuple(amounts), NOT_TOLD)
    session.found(
        "import_mode", answer, f"amounts {amounts} after {FIRST_AMOUNT} and {SECOND_AMOUNT}; {_failures(action)}"
    )
    again = next((order for order in page if order.get("source_id") == ids["c"]), {})
    before, now = ids["c updated_at"], again.get("updated_at")
    if answer == "upsert":
        set_anew = "set" if str(now) != before else "kept"
        session.found("import_unchanged", set_anew, f"updated_at {before} before, {now} after")
    else:
        session.found("import_unchanged", "does not apply", f"imports do not update: {answer}")
    raw = (action.result or {}).get("failed")
    style = "array" if isinstance(raw, list) else "object" if isinstance(raw, dict) else NOT_TOLD
    session.found("failed_style", style, f"'failed' is {type(raw).__name__}; {_failures(action)}")
    says = "yes" if failed and all(failed) else "no" if failed else NOT_TOLD
    session.found("failed_source_id", says, _failures(action))


def _import_plain(lab: Lab, plain: dict[str, Any]) -> str:
    repeats = [lab.order("b", amount=FIRST_AMOUNT), lab.order("b", amount=SECOND_AMOUNT)]
    return lab.import_orders([lab.order("a", **plain), *repeats, lab.order("c", **with_other_amount())])


def _read_plain(lab: Lab, orders: dict[str, dict[str, Any]], action: AsyncAction, plain: dict[str, Any]) -> None:
    session = lab.session
    missing = [name for name in "abc" if lab.source_id(name) not in orders]
    visible = LATE if lab.listings > 1 else AT_ONCE
    session.found("order_visible", visible, f"{lab.listings} listing(s); missing in the end: {missing or 'none'}")
    a, b, c = (orders.get(lab.source_id(name), {}) for name in "abc")
    ids = session.notes
    ids |= {name: lab.source_id(name) for name in "ac"}
    ids |= {"b": str(b.get("id", "")), "c updated_at": str(c.get("updated_at"))}
    ids |= {"a created_at": str(a.get("created_at", "")), "a id": str(a.get("id", ""))}
    if "created_at" in plain:
        kept = "as sent" if a.get("created_at") == OLD_TIME else "time of the import"
        session.found("import_created_at", kept, f"{a.get('created_at')} after {OLD_TIME} was sent")
    answer = {FIRST_AMOUNT: "the first one counts", SECOND_AMOUNT: "the last one counts"}.get(
        b.get("amount", -1), NOT_TOLD
    )
    session.found("import_repeats", answer, f"amount {b.get('amount')}; {_failures(action)}")
    session.found("import_amount_mismatch", amount_answer(c), f"amount {c.get('amount')}")


def _odd_answer(question: str, order: dict[str, Any]) -> tuple[str, str]:
    if question == "import_customer_id":
        found = order.get("customer_id")
        return "kept" if found == CUSTOMER_ID else "ignored", f"customer_id {found!r}"
    if question == "import_unknown_field":
        name = next(iter(ODD_FIELDS[question]))
        found = name in order or name in (order.get("metadata") or {})
        return "kept" if found else "ignored", f"fields {sorted(order)}"
    return "kept" if order.get("amount") == -100 else "changed", f"amount {order.get('amount')!r}"


def _failures(action: AsyncAction) -> str:
    reasons = [f"{failure.source_id}: {failure.reason}" for failure in action.failures]
    return f"done {action.done_count}, failed {action.failed_count} {reasons}"
