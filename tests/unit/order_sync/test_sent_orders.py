from __future__ import annotations

import pytest

from airflow_provider_voucherify.exceptions import StateError
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_sync.sent_orders import MAX_ORDERS, SentOrders


def sent(*orders):
    remembered = SentOrders()
    remembered.add(checked(open_source(list(orders)).read()))
    return SentOrders(remembered.to_text())


def test_an_order_is_known_by_its_content_alone():
    orders = sent({"source_id": "a", "status": "PAID"}, {"source_id": "b", "status": "PAID"})
    assert len(orders) == 2
    assert orders.has("a", b'{"source_id":"a","status":"PAID"}')
    assert not orders.has("a", b'{"source_id":"a","status":"CANCELED"}')
    assert not orders.has("c", b'{"source_id":"c","status":"PAID"}')


def test_those_that_have_another_content_are_forgotten():
    orders = sent({"source_id": "a", "status": "PAID"}, {"source_id": "b", "status": "PAID"})
    unchanged = open_source(
        [{"source_id": "b", "status": "PAID"}, {"source_id": "c"}, {"source_id": "a", "amount": "?"}]
    )
    assert not orders.forget_changed(checked(unchanged.read()))
    changed = open_source([{"source_id": "a", "status": "CANCELED"}, {"source_id": "a", "status": "PAID"}])
    assert orders.forget_changed(checked(changed.read()))
    assert not orders.has("a", b'{"source_id":"a","status":"PAID"}')
    assert orders.has("b", b'{"source_id":"b","status":"PAID"}')


def test_of_several_versions_the_last_one_counts():
    orders = sent({"source_id": "a", "status": "PAID"}, {"source_id": "a", "status": "CANCELED"})
    assert not orders.has("a", b'{"source_id":"a","status":"PAID"}')
    assert orders.has("a", b'{"source_id":"a","status":"CANCELED"}')


def test_orders_that_are_not_sent_or_have_no_source_id_are_not_remembered():
    source = open_source([{"status": "PAID"}, {"source_id": "a", "amount": "much"}], require_source_id=False)
    remembered = SentOrders()
    remembered.add(checked(source.read()))
    assert len(remembered) == 0
    assert remembered.to_text() == ""


def test_the_last_orders_are_remembered_in_less_than_a_database_takes():
    orders = sent(*({"source_id": f"order-{number}"} for number in range(MAX_ORDERS + 5)))
    assert len(orders) == MAX_ORDERS
    assert not orders.has("order-4", b'{"source_id":"order-4"}')
    assert orders.has("order-5", b'{"source_id":"order-5"}')
    assert len(orders.to_text()) < 1 << 16


@pytest.mark.parametrize("text", ["?", "YQ==", "ä"])
def test_what_somebody_changed_is_refused(text):
    with pytest.raises(StateError, match="somebody changed them"):
        SentOrders(text)
