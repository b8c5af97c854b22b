"""Orders that are broken in a random way are loaded with the value that was meant, or refused; never in silence."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import open_source
from tests.unit.order_source import strategies as make

Order = dict[str, Any]


class Break(NamedTuple):
    """
    A way in which an order is broken.

    :param order: The order as it is given.
    :param meant: The order as it has to be loaded; None if it must not be.
    :param finding: The words of the finding that counts it.
    """

    order: Order
    meant: Order | None
    finding: str


def without(order: Order, *names: str) -> Order:
    return {name: value for name, value in order.items() if name not in names}


def typo(order: Order, unknown_fields: str) -> Break:
    given = {**without(order, "status"), "statsu": order["status"]}
    meant = {
        "reject": None,
        "drop": without(order, "status"),
        "metadata": {**without(order, "status"), "metadata": {**order["metadata"], "statsu": order["status"]}},
    }[unknown_fields]
    return Break(given, meant, "'statsu'")


def item_typo(order: Order, unknown_fields: str) -> Break:
    item = {**order["items"][0], "colour": "red"}
    meant = {"reject": None, "drop": order, "metadata": {**order, "items": [{**item, "metadata": {"colour": "red"}}]}}
    if unknown_fields == "metadata":
        del meant["metadata"]["items"][0]["colour"]
    return Break({**order, "items": [item]}, meant[unknown_fields], "'items.colour'")


def refused(change: Callable[[Order], Order], finding: str) -> Callable[[Order, str], Break]:
    return lambda order, _: Break(change(order), None, finding)


def read_as(change: Callable[[Order], Order], meant: Callable[[Order], Order], finding: str):
    return lambda order, _: Break(change(order), meant(order), finding)


BREAKS: dict[str, Callable[[Order, str], Break]] = {
    "misspelled name": typo,
    "misspelled name in an item": item_typo,
    "names in capitals": refused(
        lambda order: {name.upper(): value for name, value in order.items()}, "record without any field of an order"
    ),
    "an object around it": refused(lambda order: {"order": order}, "record without any field of an order"),
    "no source_id": refused(lambda order: without(order, "source_id"), "order without source_id"),
    "amount below zero": refused(lambda order: {**order, "amount": -5}, "order with an amount below zero"),
    "marker for nothing as an id": refused(
        lambda order: {**order, "customer": {"source_id": "NULL"}}, "'NULL' as an id"
    ),
    "backslash N as an id": read_as(
        lambda order: {**order, "customer": {"source_id": "\\N"}},
        lambda order: without(order, "customer"),
        "'\\\\N' as an id taken for nothing",
    ),
    "amount as text": read_as(
        lambda order: {**order, "amount": str(order["amount"])}, dict, "amount given as text, read as a number"
    ),
    "id as a float": read_as(
        lambda order: {**order, "source_id": float(order["source_id"])},
        dict,
        "source_id given as a number, written as text",
    ),
    "amount that does not fit the items": read_as(
        lambda order: {**order, "amount": order["amount"] + 1},
        dict,  # Voucherify keeps the sum of the items
        "order with an amount that is not the sum of its items",
    ),
    "date of the order": read_as(
        lambda order: {**order, "created_at": "2023-05-01"},
        dict,
        "created_at left out: Voucherify sets the time of the import",
    ),
}
WRITE = {
    "list": lambda folder, orders: {"orders": orders},
    "jsonl": lambda folder, orders: {"paths": make.write_jsonl(folder / "orders.jsonl", orders)},
    "json": lambda folder, orders: {"paths": make.write_json(folder / "orders.json", orders, indent=1)},
    "jsonl.gz": lambda folder, orders: {"paths": make.gzipped(make.write_jsonl(folder / "orders.jsonl", orders))},
}


def order(number: int, quantity: int, price: int) -> Order:
    return {
        "source_id": str(10_000_000_000 + number),  # from here on floats are written with an exponent
        "status": "PAID",
        "amount": quantity * price,
        "items": [{"source_id": "rose", "related_object": "product", "quantity": quantity, "price": price}],
        "customer": {"source_id": f"customer-{number}"},
        "metadata": {"number": number},
    }


def stored(client: VoucherifyClient) -> dict[str, Order]:
    return {found["source_id"]: found for found in client.iter_orders()}


@pytest.fixture(scope="module")
def emulator():
    with Emulator(speed=1000) as running:
        yield running


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5000)), min_size=1, max_size=20),
    unknown_fields=st.sampled_from(["reject", "drop", "metadata"]),
    kind=st.sampled_from(list(WRITE)),
    data=st.data(),
)
def test_what_is_broken_is_read_as_it_was_meant_or_refused_and_never_in_silence(
    emulator, values, unknown_fields, kind, data
):
    emulator.reset()
    client = VoucherifyClient(Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url))
    broken: list[Break] = []
    for number, (quantity, price) in enumerate(values):
        good = order(number, quantity, price)
        name = data.draw(st.sampled_from(["none", *BREAKS]), label=f"break of {number}")
        broken.append(BREAKS[name](good, unknown_fields) if name != "none" else Break(good, good, ""))
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(
            **WRITE[kind](Path(folder), [each.order for each in broken]), unknown_fields=unknown_fields
        )
        summary = ImportJob(client, source, ImportConfig(max_rejected=100, poll_interval=0.01)).run()

    expected = {each.meant["source_id"]: each.meant for each in broken if each.meant is not None}
    assert (summary.loaded, summary.rejected) == (len(expected), len(broken) - len(expected))
    loaded = stored(client)
    assert loaded.keys() == expected.keys()
    for source_id, meant in expected.items():
        found = loaded[source_id]
        assert found["status"] == meant.get("status", "CREATED")
        assert found["amount"] == meant["amount"]
        assert found["metadata"] == meant["metadata"]
        assert (found.get("customer") is not None) == ("customer" in meant)
        for item, wanted in zip(found["items"], meant["items"], strict=True):
            assert {name: item.get(name) for name in wanted} == wanted
    counts = {finding["finding"]: finding["count"] for finding in summary.findings}
    for words in {each.finding for each in broken if each.finding}:
        counted = sum(count for finding, count in counts.items() if finding.startswith(words))
        assert counted == sum(each.finding == words for each in broken)
