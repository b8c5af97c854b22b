"""Orders that were changed, removed or added at Voucherify are found by one export, each with its field."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.exceptions import OrdersDifferError
from airflow_provider_voucherify.order_source import open_source
from airflow_provider_voucherify.reconciliation import ReconcileConfig, ReconcileJob
from airflow_provider_voucherify.reconciliation.checkpoint import STATE_FILE
from tests.orders import order, write_jsonl

ORDERS = [order(number) for number in range(300)]
MISSING = {5, 299}


class Killed(BaseException):
    """The process died."""


@pytest.fixture
def client(voucherify_emulator):
    settings = Settings(
        app_id=voucherify_emulator.app_id, app_token=voucherify_emulator.app_token, base_url=voucherify_emulator.url
    )
    with VoucherifyClient(settings) as client:
        yield client


def load(client, orders):
    action = client.import_orders(orders)
    while not client.get_async_action(action).ended:
        time.sleep(0.01)


def reconcile(client, path, folder, run="run", state_store=None, **options):
    config = ReconcileConfig(**({"poll_interval": 0.05, "items_sample": 0} | options))
    return ReconcileJob(
        client, open_source(paths=path), config, report_path=folder, run=run, state_store=state_store
    ).run()


def lines(folder, kind):
    return [json.loads(line) for part in sorted((folder / kind).glob("part-*.jsonl")) for line in part.open()]


def test_orders_as_given_match(tmp_path, client):
    load(client, ORDERS)
    path = write_jsonl(tmp_path / "orders.jsonl", ORDERS)
    result = reconcile(client, path, tmp_path / "report", items_sample=20)
    assert (result.orders, result.matched, result.missing, result.different, result.extra) == (300, 300, 0, 0, 0)
    assert result.items_sampled == 20
    assert result.api_calls <= 10 + 20  # polls included, of which a busy machine needs more
    assert all(
        (sums.given_orders, sums.given_amount) == (sums.found_orders, sums.found_amount) for sums in result.money
    )
    assert not (tmp_path / "report" / "reconciliation.json").exists()


def test_changes_behind_our_back_are_found_and_repaired(tmp_path, client):
    load(client, [given for number, given in enumerate(ORDERS) if number not in MISSING])
    client.update_order("order-7", {"status": "CANCELED"})
    client.update_order("order-8", {"metadata": {"channel": "fax", "row": 8}})
    client.create_order(order(1000))
    path, folder = write_jsonl(tmp_path / "orders.jsonl", ORDERS), tmp_path / "report"
    with pytest.raises(OrdersDifferError) as raised:
        reconcile(client, path, folder, on_extra="report")
    result = raised.value.result
    assert (result.orders, result.matched, result.missing, result.different, result.extra) == (300, 296, 2, 2, 1)
    assert "orders.jsonl:8 (source_id order-7): status given FULFILLED, at Voucherify CANCELED" in str(raised.value)
    assert "orders.jsonl:6 (source_id order-5): is not at Voucherify" in str(raised.value)
    assert str(raised.value).startswith("With connection 'voucherify': Of 300 orders 2 are missing")
    assert [line["payload"] for line in lines(folder, "missing")] == [ORDERS[5], ORDERS[299]]
    assert [line["differences"] for line in lines(folder, "different")] == [
        [{"field": "status", "given": "FULFILLED", "there": "CANCELED", "by_design": False}],
        [{"field": "metadata.channel", "given": "web", "there": "fax", "by_design": False}],
    ]
    assert [line["source_id"] for line in lines(folder, "extra")] == ["order-1000"]

    repairs = [open_source(paths=folder / kind) for kind in ("missing", "different")]
    load(client, [json.loads(record.body)["payload"] for source in repairs for record in source.read()])
    assert reconcile(client, path, folder).matched == 300
    assert lines(folder, "missing") == lines(folder, "different") == lines(folder, "extra") == []


def test_an_amount_that_voucherify_sums_is_by_design(tmp_path, client):
    changed = ORDERS[0] | {"amount": 1}
    load(client, [changed, *ORDERS[1:]])
    path = write_jsonl(tmp_path / "orders.jsonl", [changed, *ORDERS[1:]])
    result = reconcile(client, path, tmp_path / "report")
    assert (result.matched, result.by_design) == (300, {"amount": 1})
    (line,) = lines(tmp_path / "report", "by_design")
    assert line["differences"] == [
        {"field": "amount", "given": "1", "there": str(ORDERS[0]["amount"]), "by_design": True}
    ]


def test_items_that_differ_are_found_by_the_sample(tmp_path, client):
    items = [ORDERS[3]["items"][1], ORDERS[3]["items"][0]]  # the same sum
    load(client, [*ORDERS[:3], ORDERS[3] | {"items": items}])
    path, folder = write_jsonl(tmp_path / "orders.jsonl", ORDERS[:4]), tmp_path / "report"
    with pytest.raises(OrdersDifferError, match=r"orders.jsonl:4 \(source_id order-3\): items\[0\].source_id given"):
        reconcile(client, path, folder, items_sample=10)
    assert [line["source_id"] for line in lines(folder, "different")] == ["order-3"]


def test_the_sample_stays_within_the_calls(tmp_path, client):
    load(client, ORDERS)
    path = write_jsonl(tmp_path / "orders.jsonl", ORDERS)
    calls = client.transport.calls
    result = reconcile(client, path, tmp_path / "report", items_sample=100, max_calls=10)
    assert client.transport.calls - calls == result.api_calls == 10
    assert 0 < result.items_sampled < 10


def test_orders_without_source_id_cannot_be_proved(tmp_path, client):
    load(client, ORDERS[:2])
    unnamed = {name: value for name, value in ORDERS[2].items() if name != "source_id"}
    path, folder = write_jsonl(tmp_path / "orders.jsonl", [*ORDERS[:2], unnamed, ORDERS[1]]), tmp_path / "report"
    with pytest.raises(OrdersDifferError, match=r"orders\.jsonl:3: has no source_id"):
        reconcile(client, path, folder)
    result = reconcile(client, path, folder, max_unchecked=1)
    assert (result.orders, result.matched, result.unchecked, result.repeated) == (4, 2, 1, 1)
    assert [line["payload"] for line in lines(folder, "unchecked")] == [unnamed]


def test_orders_that_are_there_and_invalid_in_the_source_are_unchecked(tmp_path, client):
    load(client, ORDERS[:3])
    bad = [ORDERS[1] | {"status": "PAYED?"}, ORDERS[2] | {"amount": 3 << 64}]
    path, folder = write_jsonl(tmp_path / "orders.jsonl", [ORDERS[0], *bad, order(9) | {"status": ""}]), tmp_path / "r"
    with pytest.raises(OrdersDifferError, match=r"orders\.jsonl:2 .*cannot be compared: .*PAYED\?"):
        reconcile(client, path, folder, items_sample=5)
    result = reconcile(client, path, folder, max_unchecked=2, max_missing=1)
    assert (result.orders, result.matched, result.unchecked, result.missing) == (4, 1, 2, 1)
    assert [line["payload"] for line in lines(folder, "unchecked")] == bad


def test_an_amount_that_is_not_given_is_that_of_the_items(tmp_path, client):
    load(client, ORDERS[:2])
    client.update_order("order-1", {"items": [{"source_id": "rose", "quantity": 1, "price": 1}]})
    path = write_jsonl(tmp_path / "orders.jsonl", [given | {"amount": None} for given in ORDERS[:2]])
    with pytest.raises(OrdersDifferError, match=r"order-1\): amount given \d+, at Voucherify 1"):
        reconcile(client, path, tmp_path / "report")


class DyingStore(FileStateStore):
    """Dies before or after one of its calls, and saves nothing from then on."""

    def __init__(self, folder, moment):
        super().__init__(folder, STATE_FILE)
        self._left = moment

    def _moment(self):
        self._left -= 1
        if self._left <= 0:
            raise Killed

    def save(self, document):
        self._moment()
        super().save(document)
        self._moment()


@pytest.mark.slow
def test_killed_at_every_step_it_makes_one_export(tmp_path, client):
    load(client, ORDERS[:30])
    path = write_jsonl(tmp_path / "orders.jsonl", ORDERS[:30])
    for moment in range(1, 100):
        folder = tmp_path / f"report-{moment}"
        # other columns, so that a lost export is not found among those of the moments before
        options = {"items_sample": 2, "compare": ["status", f"metadata.key-{moment}"]}
        try:
            reconcile(client, path, folder, state_store=DyingStore(folder, moment), **options)
        except Killed:
            assert reconcile(client, path, folder, **options).items_sampled == 2
        else:
            break
        assert len(client.list_exports(limit=100).exports) == moment
    assert 8 < moment < 99


def test_another_run_makes_an_export_of_its_own(tmp_path, client):
    load(client, ORDERS)
    path, folder = write_jsonl(tmp_path / "orders.jsonl", ORDERS), tmp_path / "report"
    with pytest.raises(Killed):
        reconcile(client, path, folder, run="first", state_store=DyingStore(folder, 6))
    reconcile(client, path, folder, run="second")
    assert len(client.list_exports(limit=100).exports) == 2
