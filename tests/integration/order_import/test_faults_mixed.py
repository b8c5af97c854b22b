"""Whatever goes wrong, in whatever mixture: the sums are right, and what is said of an order is true."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import VoucherifyError
from airflow_provider_voucherify.order_import import ImportConfig, ImportJob
from airflow_provider_voucherify.order_source.source import ListSource
from tests.fast_folder import FAST_FOLDER
from tests.integration.order_import.test_order_import import LENIENT, client_of, outcomes
from tests.orders import order

IMPORT = "POST /v1/orders/import"
LIST = "GET /v1/async-actions"
GET = "GET /v1/async-actions/{asyncActionId}"
TRIES = 30


def some(**more):
    """How often, and when, a fault happens."""
    return st.fixed_dictionaries(
        {"times": st.integers(1, 3), "after": st.integers(0, 6), "every": st.integers(1, 3)}, optional=more
    )


FAULTS = st.one_of(
    st.tuples(st.sampled_from(["response_lost", "server_error", "server_error_after"]), some(route=st.just(IMPORT))),
    st.tuples(st.sampled_from(["server_error", "response_lost"]), some(route=st.sampled_from([LIST, GET]))),
    st.tuples(st.just("late"), some(route=st.just(IMPORT), seconds=st.sampled_from([0.0, 0.05]))),
    st.tuples(st.just("locked"), some(route=st.sampled_from([IMPORT, LIST, GET]))),
    st.tuples(st.just("foreign_import"), some(seconds=st.sampled_from([0.0, 0.05]))),
    st.tuples(st.just("visible_late"), some(route=st.sampled_from([LIST, GET]), seconds=st.just(0.05))),
    st.tuples(st.just("still_running"), some(route=st.sampled_from([LIST, GET]))),
    st.tuples(
        st.just("empty_result"),
        some(route=st.just(GET), result=st.sampled_from(["missing", "null", "object", "text"])),
    ),
    st.tuples(
        st.just("drip"), some(route=st.sampled_from([IMPORT, LIST, GET]), seconds=st.just(0.001), bytes=st.just(100))
    ),
    st.tuples(st.just("bomb"), some(route=st.sampled_from([IMPORT, LIST, GET]), bytes=st.just(1_000_000))),
    st.tuples(st.just("rate_limited"), some(route=st.sampled_from([IMPORT, LIST, GET]), retry_after=st.just(0))),
    st.tuples(st.just("cycle_spent"), some(route=st.sampled_from([IMPORT, LIST]), retry_after=st.just(0))),
    st.tuples(
        st.just("failed_rows"),
        some(
            null_source_id=st.booleans(),
            source_id=st.sampled_from(["order-1*", "order-?", "order-33"]),
            reason=st.sampled_from(["Internal error", "Customer not found"]),
        ),
    ),
    st.tuples(st.just("action_failed"), some(loaded=st.sampled_from([0.0, 0.5, 1.0]))),
    st.tuples(st.just("lowered_limit"), st.fixed_dictionaries({"limit": st.integers(3, 30)})),
    st.tuples(st.just("body_limit"), st.fixed_dictionaries({"bytes": st.integers(1000, 9000)})),
    st.tuples(
        st.just("rejected_order"), st.fixed_dictionaries({"source_id": st.sampled_from(["order-5", "order-7?"])})
    ),
)
KINDS = st.sampled_from(["good", "good", "good", "bad", "anonymous"])


def make(number, kind):
    if kind == "bad":
        return order(number) | {"amount": "much"}
    if kind == "anonymous":
        return {key: value for key, value in order(number).items() if key != "source_id"}
    return order(number)


def import_all(emulator, source, folder, on_unknown):
    """Import as Airflow would: again after each error, until it ends."""
    for _ in range(TRIES):
        state_store = FileStateStore(folder)
        job = ImportJob(
            client_of(emulator, sleep=lambda _seconds: None),
            source,
            ImportConfig(
                chunk_size=20,
                max_body_bytes=100_000,
                max_in_flight=3,
                poll_interval=0.02,
                lost_request_timeout=0.25,
                on_unknown=on_unknown,
                **LENIENT,
            ),
            report_path=folder,
            state_store=state_store,
        )
        try:
            while pause := job.advance():
                time.sleep(min(pause.seconds, 0.01))
        except VoucherifyError:
            continue
        return job.summary
    raise AssertionError(f"no end after {TRIES} tries")


@pytest.fixture(scope="module")
def emulator():
    with Emulator(speed=100_000) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("on_unknown", ["verify", "report", "resend"])
def test_the_sums_are_right_and_what_is_said_is_true(emulator, pytestconfig, on_unknown):
    @settings(max_examples=pytestconfig.getoption("mixes"), deadline=None, suppress_health_check=list(HealthCheck))
    @given(faults=st.lists(FAULTS, max_size=4), kinds=st.lists(KINDS, min_size=1, max_size=90))
    def check(faults, kinds):
        assert_right_and_true(emulator, faults, kinds, on_unknown)

    check()


def assert_right_and_true(emulator, faults, kinds, on_unknown):
    orders = [make(number, kind) for number, kind in enumerate(kinds)]
    source = ListSource(orders)
    emulator.reset()
    emulator.clear_faults()
    with tempfile.TemporaryDirectory(dir=FAST_FOLDER) as name:
        folder = Path(name)
        for fault, parameters in faults:
            emulator.add_fault(fault, **parameters)
        summary = import_all(emulator, source, folder, on_unknown)
        rejected = {entry["position"]: entry for entry in outcomes(folder / "rejected")}
        unknown = {entry["position"]: entry for entry in outcomes(folder / "unknown")}
        stored = [
            json.loads(metadata)["row"]
            for (metadata,) in emulator.project.database.rows(
                "SELECT metadata FROM orders WHERE source_id IS NULL OR source_id NOT LIKE 'foreign-%'"
            )
        ]
        updated = emulator.project.database.rows("SELECT source_id FROM orders WHERE updated_at IS NOT NULL")
    assert summary.orders == len(orders) == summary.loaded + summary.rejected + summary.unknown
    assert (summary.rejected, summary.unknown) == (len(rejected), len(unknown))
    assert not set(rejected) & set(unknown)
    if on_unknown == "verify":
        assert all(line["source_id"] is None for line in unknown.values())
    if on_unknown != "resend":
        assert len(stored) == len(set(stored))
        assert not list(updated)
    for number in range(len(orders)):
        position = f"orders[{number}]"
        if position in rejected:
            assert number not in stored
        elif position not in unknown:
            assert number in stored
