"""The import engine against the emulator over HTTP."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.state_store import NoStateStore
from airflow_provider_voucherify.exceptions import OrdersNotLoadedError, PlanExceededError, VoucherifyError
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.order_source.open_source import open_source
from airflow_provider_voucherify.order_source.source import ListSource
from tests.orders import order, write_jsonl

IMPORT = "POST /v1/orders/import"


@pytest.fixture
def emulator(voucherify_emulator):
    return voucherify_emulator


def client_of(emulator, facts=Facts(), **options):  # noqa: B008  # frozen
    keys = {"app_id": emulator.app_id, "app_token": emulator.app_token}
    return VoucherifyClient(Settings(**keys, base_url=emulator.url, name="shop", facts=facts), **options)


# everything is tolerated and sent: what the tests look at is the summary
LENIENT = {"max_rejected": 10**9, "max_unknown": 10**9, "on_duplicate": None}


def prepare(emulator, source, report_path=None, *, state_store=None, resume_from=None, facts=Facts(), **options):  # noqa: B008
    if isinstance(source, list):
        source = ListSource(source, SourceOptions(require_source_id=False))
    return ImportJob(
        client_of(emulator, facts),
        source,
        ImportConfig(**({"chunk_size": 100, "poll_interval": 0.05, "lost_request_timeout": 0.5} | LENIENT | options)),
        report_path=report_path,
        state_store=NoStateStore() if state_store is None else state_store,
        resume_from=resume_from,
    )


def run(job):
    while pause := job.advance():
        time.sleep(min(pause.seconds, 0.05))
    return job.summary


class Saved(list):
    """A state_store that remembers every state it was given."""

    def claim(self, *, restart=False):
        return self.load()

    def check(self):
        """Nobody else has it."""

    def load(self):
        return json.loads(self[-1]) if self and self[-1] else None

    def save(self, document):
        self.append(json.dumps(document))

    def clear(self):
        self.append("")


def counts(summary):
    return summary.orders, summary.loaded, summary.rejected, summary.unknown


def outcomes(folder):
    return [json.loads(line) for part in sorted(folder.glob("part-*.jsonl")) for line in part.open()]


def posts(emulator):
    return emulator.calls()["calls"][IMPORT]


def test_all_orders_go_in_with_few_calls(emulator):
    summary = run(prepare(emulator, [order(number) for number in range(1050)], max_in_flight=4))
    assert counts(summary) == (1050, 1050, 0, 0)
    assert summary.chunks == len(summary.async_action_ids) == 11
    assert emulator.count_orders() == 1050
    assert posts(emulator) == 11
    assert summary.api_calls == sum(emulator.calls()["calls"].values())
    summary.check(0, 0)


def test_an_empty_source_is_no_error_and_makes_no_request(emulator):
    summary = run(prepare(emulator, []))
    assert counts(summary) == (0, 0, 0, 0)
    assert IMPORT not in emulator.calls()["calls"]


def test_chunks_keep_to_bytes_as_well(emulator):
    summary = run(prepare(emulator, [order(number) for number in range(100)], max_body_bytes=3000))
    assert summary.loaded == emulator.count_orders() == 100
    assert summary.chunks == 10


def test_bad_orders_are_rejected_with_place_and_reason_and_the_others_go_in(emulator, tmp_path):
    bad = order(3) | {"amount": 12.5}
    lines = [order(0), order(1), "", order(2), bad, "not json", [1], order(4) | {"status": "PAYED"}]
    lines += [order(5) | {"items": [{}] * 501}, order(6)]
    source = open_source(paths=write_jsonl(tmp_path / "orders.jsonl", lines))
    summary = run(prepare(emulator, source, tmp_path / "report"))
    assert counts(summary) == (9, 4, 5, 0)
    assert emulator.count_orders() == 4
    rejected = outcomes(tmp_path / "report" / "rejected")
    assert [(entry["position"], entry["source_id"]) for entry in rejected] == [
        ("orders.jsonl:5", "order-3"),
        ("orders.jsonl:6", None),
        ("orders.jsonl:7", None),
        ("orders.jsonl:8", "order-4"),
        ("orders.jsonl:9", "order-5"),
    ]
    assert [entry["reason"] for entry in rejected] == [
        "amount must be an integer in the smallest currency unit, got 12.5",
        "not a JSON object: JSON is malformed: invalid character (byte 4)",
        "the order must be an object, got [1]",
        'status must be one of CREATED, PAID, CANCELED, FULFILLED, got "PAYED" (value_mapping)',
        "items has 501 entries, and Voucherify takes 500",
    ]
    assert rejected[0]["payload"] == bad
    assert rejected[1]["payload"] == "not json"
    with pytest.raises(OrdersNotLoadedError, match=r"Of 9 orders 4 were loaded; 5 rejected \(at most 4") as raised:
        summary.check(4, 0)
    assert "orders.jsonl:5 (source_id order-3): amount must be an integer" in str(raised.value)
    summary.check(5, 0)
    summary.check(0.6, 0)


def test_failed_orders_of_a_done_action_are_rejected_by_name(emulator, tmp_path):
    emulator.add_fault("failed_rows", source_id="order-1?7", reason="Customer not found")
    summary = run(prepare(emulator, [order(number) for number in range(300)], tmp_path))
    assert counts(summary) == (300, 290, 10, 0)
    assert emulator.count_orders() == 290
    rejected = outcomes(tmp_path / "rejected")
    assert {entry["source_id"] for entry in rejected} == {f"order-1{digit}7" for digit in range(10)}
    assert {entry["reason"] for entry in rejected} == {"Customer not found"}
    assert rejected[0]["position"] == "orders[107]"


def test_a_failure_without_a_source_id_makes_its_chunk_unknown_if_it_is_not_read_back(emulator, tmp_path):
    emulator.add_fault("failed_rows", source_id="order-150", null_source_id=True)
    summary = run(prepare(emulator, [order(number) for number in range(300)], tmp_path, on_unknown="report"))
    assert counts(summary) == (300, 200, 0, 100)
    unknown = outcomes(tmp_path / "unknown")
    assert len(unknown) == 100
    assert "counts 99 done and 1 failed of 100 orders and names 0" in unknown[0]["reason"]
    with pytest.raises(OrdersNotLoadedError, match=r"100 unknown \(at most 0 tolerated by max_unknown\)"):
        summary.check(0, 0)


def test_failures_without_source_ids_are_known_when_all_failed(emulator):
    emulator.add_fault("failed_rows", source_id="order-1??", null_source_id=True)
    summary = run(prepare(emulator, [order(number) for number in range(300)]))
    assert counts(summary) == (300, 200, 100, 0)


@pytest.mark.parametrize(("loaded", "kind"), [(0.5, "unknown"), (0.0, "rejected")])
def test_a_failed_action(emulator, loaded, kind):
    emulator.add_fault("action_failed", loaded=loaded)
    summary = run(prepare(emulator, [order(number) for number in range(300)], on_unknown="report"))
    assert summary.loaded == 200
    assert summary.rejected + summary.unknown == 100
    loaded_of_it = emulator.count_orders() - 200
    assert loaded_of_it == 100 * loaded
    if summary.rejected:
        assert loaded_of_it == 0


@pytest.mark.parametrize("fault", ["response_lost", "server_error_after"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_lost_answer_is_found_and_nothing_is_sent_twice(emulator, fault, after):
    emulator.add_fault(fault, route=IMPORT, after=after)
    summary = run(prepare(emulator, [order(number) for number in range(300)]))
    assert counts(summary) == (300, 300, 0, 0)
    assert posts(emulator) == 3
    assert emulator.count_orders() == 300


def test_a_chunk_that_did_not_arrive_is_sent_again(emulator):
    emulator.add_fault("server_error", route=IMPORT)
    summary = run(prepare(emulator, [order(number) for number in range(300)]))
    assert counts(summary) == (300, 300, 0, 0)
    assert posts(emulator) == 4


def test_a_refused_chunk_is_cut_until_the_bad_orders_stand_alone(emulator, tmp_path):
    for number in (17, 18, 160):
        emulator.add_fault("rejected_order", source_id=f"order-{number}", details="Property .items[0].x is bad")
    summary = run(prepare(emulator, [order(number) for number in range(300)], tmp_path))
    assert counts(summary) == (300, 297, 3, 0)
    assert emulator.count_orders() == 297
    rejected = outcomes(tmp_path / "rejected")
    assert [entry["position"] for entry in rejected] == ["orders[17]", "orders[18]", "orders[160]"]
    assert {entry["reason"] for entry in rejected} == {"Invalid payload: Property .items[0].x is bad"}


def test_a_refused_chunk_with_invalid_orders_in_it_rejects_each_of_them_once(emulator, tmp_path):
    orders = [order(number) for number in range(100)]
    for number in (0, 49, 50, 99):
        orders[number]["amount"] = "much"
    emulator.add_fault("rejected_order", source_id="order-48")
    summary = run(prepare(emulator, orders, tmp_path))
    assert counts(summary) == (100, 95, 5, 0)
    assert sorted(int(entry["source_id"][6:]) for entry in outcomes(tmp_path / "rejected")) == [0, 48, 49, 50, 99]


def test_a_hopeless_file_costs_no_more_than_allowed(emulator):
    emulator.add_fault("rejected_order", source_id="*")
    job = prepare(emulator, [order(number) for number in range(1000)], max_bisections=20)
    with pytest.raises(VoucherifyError, match=r"Gave up after 20 requests \(max_bisections\)"):
        run(job)
    assert posts(emulator) <= 25
    assert emulator.count_orders() == 0


@pytest.mark.parametrize("fault", [{"name": "body_limit", "bytes": 5000}, {"name": "lowered_limit", "limit": 30}])
def test_chunks_shrink_when_less_is_taken(emulator, fault):
    emulator.add_fault(**fault)
    summary = run(prepare(emulator, [order(number) for number in range(500)]))
    assert counts(summary) == (500, 500, 0, 0)
    assert emulator.count_orders() == 500


def test_a_spent_cycle_stops_at_once_and_the_state_goes_on(emulator):
    saved = Saved()
    source = [order(number) for number in range(500)]
    emulator.add_fault("cycle_spent", route=IMPORT, after=2)
    job = prepare(emulator, source, state_store=saved)
    with pytest.raises(PlanExceededError, match="api_calls_cycle"):
        run(job)
    emulator.clear_faults()
    again = prepare(emulator, source, resume_from=saved.load())
    summary = run(again)
    assert counts(summary) == (500, 500, 0, 0)
    assert posts(emulator) == 2 + 1 + 3
    assert emulator.count_orders() == 500


def test_without_waiting_what_was_sent_is_unknown(emulator):
    job = prepare(emulator, [order(number) for number in range(250)], wait_for_completion=False)
    summary = run(job)
    assert counts(summary) == (250, 0, 0, 250)
    assert len(summary.async_action_ids) == 3
    assert posts(emulator) == 3


def test_a_source_that_changes_under_way_is_noticed(emulator, tmp_path):
    path = write_jsonl(tmp_path / "orders.jsonl", [order(number) for number in range(100)])
    job = prepare(emulator, open_source(paths=path))
    job.advance()
    write_jsonl(path, [order(number + 1) for number in range(100)])
    with pytest.raises(VoucherifyError, match=r"orders\.jsonl changed while it was imported"):
        run(job)


def test_the_state_is_written_before_each_request(emulator):
    saved = Saved()
    run(prepare(emulator, [order(number) for number in range(250)], state_store=saved))
    checkpoints = [json.loads(document)["checkpoint"] for document in saved if document]
    first = next(checkpoint for checkpoint in checkpoints if checkpoint["in_flight"])
    assert first["in_flight"][0]["action_id"] is None
    assert first["in_flight"][0]["body_hash"]
    assert max(map(len, saved)) < 5000
