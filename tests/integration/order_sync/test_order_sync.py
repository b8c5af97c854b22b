"""The synchronisation of orders one by one against the emulator over HTTP."""

from __future__ import annotations

import itertools
import json
import threading
import time
from types import SimpleNamespace

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.quota import MAX_SPREAD
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    FencedError,
    OrdersNotLoadedError,
    PlanExceededError,
    QuotaError,
    ServerError,
    SourceChangedError,
    TokenUnavailableError,
)
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_sync import SyncConfig, SyncJob
from airflow_provider_voucherify.order_sync.calls import SAVE_INTERVAL
from airflow_provider_voucherify.order_sync.pending_orders import MAX_RECORDS
from airflow_provider_voucherify.order_sync.sent_orders import SentOrders
from tests.orders import order, write_jsonl

CREATE, UPDATE, READ = "POST /v1/orders", "PUT /v1/orders/{orderId}", "GET /v1/orders/{orderId}"
LENIENT = {"max_rejected": 10**9, "max_unknown": 10**9, "poll_interval": 0.01}


@pytest.fixture
def emulator(voucherify_emulator):
    return voucherify_emulator


def client_of(emulator, **settings):
    return VoucherifyClient(
        Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, name="shop", **settings)
    )


def prepare(emulator, orders, report_path=None, *, run=None, client=None, sent_before=None, clock=time.time, **options):
    return SyncJob(
        client or client_of(emulator),
        open_source(orders, require_source_id=False),
        SyncConfig(**(LENIENT | options)),
        report_path=report_path,
        run=run,
        sent_before=sent_before,
        clock=clock,
    )


def counts(summary):
    return summary.orders, summary.loaded, summary.rejected, summary.unknown


def calls(emulator):
    return emulator.calls()["calls"]


def outcomes(folder):
    return [json.loads(line) for part in sorted(folder.glob("part-*.jsonl")) for line in part.open()]


def stored(emulator, source_id):
    return client_of(emulator).get_order(source_id)


def test_each_order_takes_one_call_and_is_in_as_given(emulator, tmp_path):
    summary = prepare(emulator, [order(number) for number in range(300)], tmp_path).run()
    assert counts(summary) == (300, 300, 0, 0)
    assert calls(emulator) == {CREATE: 300}
    assert summary.api_calls == 300
    assert emulator.count_orders() == 300
    assert stored(emulator, "order-299")["metadata"] == order(299)["metadata"]
    document = json.loads((tmp_path / "summary.json").read_text())
    assert {name: document[name] for name in ("orders", "loaded", "rejected", "unknown")} == {
        "orders": 300, "loaded": 300, "rejected": 0, "unknown": 0,
    }  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert "Synchronisation of 300 orders" in page
    assert emulator.url in page
    assert "max_rejected" in page  # an option that differs from its default


def test_refused_and_invalid_orders_are_rejected_with_the_words_of_whoever_refuses_them(emulator, tmp_path):
    orders = [order(number) for number in range(20)]
    orders[7] |= {"amount": 3 << 52, "items": [{"source_id": "rose", "quantity": 3, "price": 1 << 52}]}
    orders[3]["amount"] = "much"
    orders[12]["metadata"] = {"nested": "x" * 11_000_000}  # the emulator takes no body of this size
    summary = prepare(emulator, orders, tmp_path).run()
    assert counts(summary) == (20, 17, 3, 0)
    rejected = {line["source_id"]: line for line in outcomes(tmp_path / "rejected")}
    assert sorted(rejected) == ["order-12", "order-3", "order-7"]
    assert "Property .amount cannot be greater than 9007199254740991 (" in rejected["order-7"]["reason"]
    assert (rejected["order-7"]["code"], rejected["order-3"]["code"]) == ("refused", "invalid")
    assert rejected["order-7"]["payload"] == orders[7]
    corrected = open_source(paths=tmp_path / "rejected")
    assert [record.was for record in corrected.read()] == [None] * 3  # a reject file can be given as it is


def test_orders_that_are_refused_here_and_there_are_in_one_file(emulator, tmp_path):
    orders = [order(number) | ({} if number % 5 else {"amount": 3 << 52, "items": None}) for number in range(100)]
    assert counts(prepare(emulator, orders, tmp_path).run()) == (100, 80, 20, 0)
    assert len(list((tmp_path / "rejected").iterdir())) == 1
    assert len(outcomes(tmp_path / "rejected")) == 20


def test_more_losses_than_tolerated_are_an_error_that_names_the_first(emulator, tmp_path):
    orders = [order(0), order(1) | {"amount": "much"}]
    with pytest.raises(OrdersNotLoadedError, match=r"1 rejected \(at most 0 tolerated by max_rejected\)") as caught:
        prepare(emulator, orders, tmp_path, max_rejected=0).run()
    assert "order-1" in str(caught.value)
    assert counts(caught.value.summary) == (2, 1, 1, 0)


def test_orders_of_one_source_id_arrive_in_the_order_in_which_they_are_read(emulator):
    emulator.add_fault("slow", route=CREATE, seconds=0.05, every=3)
    versions = [order(number) | {"metadata": {"version": version}} for version in range(6) for number in (1, 2, 3, 4)]
    summary = prepare(emulator, versions).run()
    assert summary.loaded == 24
    assert [stored(emulator, f"order-{number}")["metadata"]["version"] for number in (1, 2, 3, 4)] == [5] * 4


def test_only_the_last_order_of_a_source_id_is_sent_if_asked_for(emulator, tmp_path):
    versions = [order(1) | {"metadata": {"version": version}} for version in range(4)]
    summary = prepare(emulator, versions, tmp_path, on_duplicate="last", max_rejected=0).run()
    assert (*counts(summary), summary.superseded) == (4, 1, 3, 0, 3)
    assert calls(emulator) == {CREATE: 1}
    assert stored(emulator, "order-1")["metadata"]["version"] == 3
    assert {line["code"] for line in outcomes(tmp_path / "superseded")} == {"superseded"}
    refused = prepare(emulator, versions, tmp_path / "refused", on_duplicate="error").run()
    assert counts(refused) == (4, 1, 3, 0)
    assert {line["code"] for line in outcomes(tmp_path / "refused" / "rejected")} == {"duplicate"}


def test_orders_with_an_id_are_updated_by_it_and_unknown_ids_are_rejected(emulator, tmp_path):
    created = client_of(emulator).create_order(order(1))
    orders = [{"id": created["id"], "status": "CANCELED"}, {"id": "ord_none", "status": "PAID"}, order(2)]
    summary = prepare(emulator, orders, tmp_path).run()
    assert counts(summary) == (3, 2, 1, 0)
    assert stored(emulator, "order-1")["status"] == "CANCELED"
    assert calls(emulator)[UPDATE] == 2
    assert "no such order to update" in outcomes(tmp_path / "rejected")[0]["reason"]


def test_mode_update_creates_no_order(emulator, tmp_path):
    client_of(emulator).create_order(order(1))
    orders = [order(1) | {"status": "FULFILLED"}, order(2), {"status": "PAID"}]
    summary = prepare(emulator, orders, tmp_path, mode="update").run()
    assert counts(summary) == (3, 1, 2, 0)
    assert emulator.count_orders() == 1
    assert stored(emulator, "order-1")["status"] == "FULFILLED"


@pytest.mark.parametrize("fault", ["response_lost", "server_error_after"])
def test_a_lost_response_is_settled_by_reading_and_the_order_is_not_sent_again(emulator, fault):
    emulator.add_fault(fault, route=CREATE, after=2, every=5, times=4)
    summary = prepare(emulator, [order(number) for number in range(30)]).run()
    assert counts(summary) == (30, 30, 0, 0)
    assert calls(emulator) == {CREATE: 30, READ: 4}


def test_an_order_that_reading_does_not_find_is_sent_again(emulator):
    client_of(emulator).create_order(order(5) | {"status": "PAID", "metadata": {"old": True}})
    emulator.add_fault("server_error", route=CREATE, after=5, times=2)
    summary = prepare(emulator, [order(number) for number in range(20)]).run()
    assert counts(summary) == (20, 20, 0, 0)
    assert calls(emulator) == {CREATE: 23, READ: 2}
    assert stored(emulator, "order-5")["metadata"]["row"] == 5


def test_a_lost_change_of_what_cannot_be_compared_is_sent_again(emulator):
    client_of(emulator).create_order(order(1))
    emulator.add_fault("server_error", route=CREATE)
    assert prepare(emulator, [order(1) | {"customer": {"source_id": "ada"}}]).run().loaded == 1
    assert calls(emulator) == {CREATE: 3, READ: 1}
    assert stored(emulator, "order-1")["customer_id"] is not None


def test_a_lost_response_to_an_order_of_a_customer_who_has_an_id_is_settled_by_reading(emulator):
    client_of(emulator).create_order(order(0) | {"customer": {"source_id": "ada"}})
    customer = {"id": stored(emulator, "order-0")["customer_id"]}
    before = calls(emulator)
    emulator.add_fault("response_lost", route=CREATE)
    assert prepare(emulator, [order(1) | {"customer": customer}]).run().loaded == 1
    assert calls(emulator) == {CREATE: before[CREATE] + 1, READ: before[READ] + 1}


def test_without_an_id_a_lost_response_leaves_the_order_unknown(emulator, tmp_path):
    emulator.add_fault("response_lost", route=CREATE)
    orders = [{name: value for name, value in order(number).items() if name != "source_id"} for number in range(5)]
    summary = prepare(emulator, orders, tmp_path).run()
    assert counts(summary) == (5, 4, 0, 1)
    assert calls(emulator) == {CREATE: 5}
    assert [line["code"] for line in outcomes(tmp_path / "unknown")] == ["lost"]


@pytest.mark.parametrize("fault", [{"name": "locked"}, {"name": "rate_limited", "retry_after": 0}])
def test_a_passing_refusal_is_tried_again_and_is_no_bad_order(emulator, fault):
    emulator.add_fault(fault.pop("name"), route=CREATE, times=3, after=4, **fault)
    summary = prepare(emulator, [order(number) for number in range(20)]).run()
    assert counts(summary) == (20, 20, 0, 0)
    assert emulator.count_orders() == 20


def test_an_outage_ends_the_job_with_its_state_from_which_the_next_try_resumes(emulator, tmp_path):
    orders = [order(number) for number in range(40)]
    emulator.add_fault("server_error", after=10, times=0)
    impatient = VoucherifyClient(client_of(emulator).transport.settings, attempts=1)
    with pytest.raises(ServerError):
        prepare(emulator, orders, tmp_path, run="one", client=impatient).run()
    emulator.clear_faults()
    before = emulator.count_orders()
    assert 0 < before <= 10
    summary = prepare(emulator, orders, tmp_path, run="one").run()
    assert counts(summary) == (40, 40, 0, 0)
    assert emulator.count_orders() == 40
    sent = calls(emulator)[CREATE]
    again = prepare(emulator, orders, tmp_path, run="one").run()
    assert counts(again) == (40, 40, 0, 0)
    assert calls(emulator)[CREATE] == sent
    assert not (tmp_path / "unknown").exists()


@pytest.mark.parametrize(("fault", "error"), [("plan_exceeded", PlanExceededError), ("cycle_spent", PlanExceededError)])
def test_what_will_not_pass_ends_the_job_at_once(emulator, tmp_path, fault, error):
    emulator.add_fault(fault, route=CREATE, after=10)
    with pytest.raises(error):
        prepare(emulator, [order(number) for number in range(40)], tmp_path, run="one").run()
    assert calls(emulator)[CREATE] <= 10 + SyncConfig().max_concurrent_calls
    emulator.clear_faults()
    assert counts(prepare(emulator, [order(number) for number in range(40)], tmp_path, run="one").run())[1] == 40
    assert calls(emulator)[CREATE] <= 40 + SyncConfig().max_concurrent_calls


def test_wrong_keys_reject_no_order(emulator, tmp_path):
    client = VoucherifyClient(Settings(app_id="x", app_token="y", base_url=emulator.url))
    with pytest.raises(AuthenticationError):
        prepare(emulator, [order(1)], tmp_path, client=client).run()
    assert not (tmp_path / "rejected").exists()


def test_a_token_is_fetched_once_in_the_main_thread(emulator):
    threads = []
    settings = Settings(
        app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, oauth=True, oauth_scope="orders"
    )
    client = VoucherifyClient(settings, on_secret=lambda _secret: threads.append(threading.current_thread()))
    assert prepare(emulator, [order(number) for number in range(30)], client=client).run().loaded == 30
    assert threads == [threading.main_thread()]


def test_without_a_token_no_order_is_rejected(emulator, tmp_path):
    emulator.add_fault("server_error", route="POST /v1/oauth/token", times=0)
    settings = Settings(app_id=emulator.app_id, app_token=emulator.app_token, base_url=emulator.url, oauth=True)
    client = VoucherifyClient(settings, attempts=1)
    with pytest.raises(TokenUnavailableError):
        prepare(emulator, [order(1)], tmp_path, client=client).run()
    assert not (tmp_path / "rejected").exists()


def test_a_long_wait_for_the_quota_is_left_to_the_caller(emulator):
    emulator.add_fault("rate_limited", route=CREATE, after=5, times=1, retry_after=300)
    job = prepare(emulator, [order(number) for number in range(20)])
    pause = job.advance()
    assert pause is not None
    assert 200 < pause.seconds <= 301 + MAX_SPREAD
    assert isinstance(pause.quota_error, QuotaError)
    assert job.state.counters.loaded == emulator.count_orders() >= 5
    assert calls(emulator)[CREATE] <= 6 + SyncConfig().max_concurrent_calls


def test_another_writer_stops_this_one(emulator, tmp_path):
    orders = [order(number) for number in range(60)]
    first = prepare(emulator, orders, tmp_path, run="one")
    first.open()
    second = prepare(emulator, orders, tmp_path, run="one")
    assert counts(second.run())[1] == 60
    sent = calls(emulator)[CREATE]
    with pytest.raises(FencedError):
        first.run()
    assert calls(emulator)[CREATE] == sent


def test_a_writer_that_slept_sends_nothing_that_another_has_taken_over(emulator, tmp_path, monkeypatch):
    emulator.add_fault("server_error", route=CREATE)
    orders, ahead, sent = [order(number) for number in range(20)], [0.0], []

    def sleep(seconds):
        time.sleep(seconds)
        ahead[0] += SAVE_INTERVAL
        if not sent:
            sent.append(calls(emulator)[CREATE])
            prepare(emulator, orders, tmp_path, run="one").open()

    monkeypatch.setattr("airflow_provider_voucherify.order_sync.calls.time", SimpleNamespace(sleep=sleep))
    first = prepare(emulator, orders, tmp_path, run="one", clock=lambda: time.time() + ahead[0])
    with pytest.raises(FencedError):
        first.run()
    assert [calls(emulator)[CREATE]] == sent


def test_a_source_that_changed_is_not_resumed(emulator, tmp_path):
    emulator.add_fault("plan_exceeded", route=CREATE, after=3)
    with pytest.raises(PlanExceededError):
        prepare(emulator, [order(number) for number in range(9)], tmp_path, run="one").run()
    with pytest.raises(SourceChangedError, match="restart=True"):
        prepare(emulator, [order(number) for number in range(8)], tmp_path, run="one").open()


def test_a_new_run_with_other_orders_starts_over_where_one_was_cut_off(emulator, tmp_path):
    emulator.add_fault("plan_exceeded", route=CREATE, after=3)
    with pytest.raises(PlanExceededError):
        prepare(emulator, [order(number) for number in range(9)], tmp_path, run="one").run()
    emulator.clear_faults()
    summary = prepare(emulator, [order(number) for number in range(12)], tmp_path, run="two").run()
    assert counts(summary) == (12, 12, 0, 0)


def test_what_was_sent_before_is_sent_again_only_if_it_has_changed(emulator):
    first = prepare(emulator, [order(number) for number in range(5)])
    first.run()
    second = [order(3), order(4) | {"status": "CANCELED"}, order(4), order(5)]
    summary = prepare(emulator, second, sent_before=first.sent_orders()).run()
    assert counts(summary) == (4, 4, 0, 0)
    assert summary.api_calls == 3
    assert stored(emulator, "order-4")["status"] == order(4)["status"]


def test_a_retry_knows_what_its_first_try_has_changed(emulator, tmp_path):
    before = prepare(emulator, [order(1)])
    before.run()
    sent_before = before.sent_orders().to_text()
    orders = [order(1) | {"status": "CANCELED"}, order(2), order(1)]
    emulator.add_fault("plan_exceeded", route=CREATE, after=1)
    options = {"run": "one", "max_concurrent_calls": 1}
    with pytest.raises(PlanExceededError):
        prepare(emulator, orders, tmp_path, sent_before=SentOrders(sent_before), **options).run()
    emulator.clear_faults()
    prepare(emulator, orders, tmp_path, sent_before=SentOrders(sent_before), **options).run()
    assert stored(emulator, "order-1")["status"] == order(1)["status"]


def test_what_has_changed_is_told_before_anything_is_sent(emulator):
    before = prepare(emulator, [order(1), order(2)])
    before.run()
    told = []

    def on_change(sent):
        told.append((calls(emulator)[CREATE], len(sent)))

    for orders in ([order(1), order(3)], [order(1) | {"status": "CANCELED"}, order(1)]):
        source, config = open_source(orders, require_source_id=False), SyncConfig(**LENIENT)
        SyncJob(client_of(emulator), source, config, sent_before=before.sent_orders(), on_change=on_change).run()
    assert told == [(3, 1)]


def test_after_a_refusal_nothing_counts_as_sent_before(emulator):
    refused = order(1) | {"items": [{"source_id": "rose", "quantity": 3, "price": 1 << 52}]}
    job = prepare(emulator, [order(0), refused])
    assert counts(job.run()) == (2, 1, 1, 0)
    assert len(job.sent_orders()) == 0


def test_a_slow_call_holds_up_no_other_and_the_state_stays_small(emulator, tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "orders.jsonl", (order(number) for number in range(150)))
    store, client = FileStateStore(tmp_path / "state"), client_of(emulator)
    beyond, others, are_in = [], itertools.count(1), threading.Event()
    save, create = store.save, client.create_order

    def create_late(body):
        if b'"order-0"' in body:
            assert are_in.wait(60)
        elif next(others) == 100:
            are_in.set()
        return create(body)

    def save_and_look(document):
        beyond.append(len(document["checkpoint"]["settled_beyond"]))
        save(document)

    monkeypatch.setattr(client, "create_order", create_late)
    monkeypatch.setattr(store, "save", save_and_look)
    assert SyncJob(client, open_source(paths=path), state_store=store).run().loaded == 150
    assert 100 - SyncConfig().max_concurrent_calls <= max(beyond) <= MAX_RECORDS
    assert beyond[-1] == 0
