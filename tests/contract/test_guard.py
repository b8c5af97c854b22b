"""Nothing is written to a project that is not certainly a sandbox."""

from __future__ import annotations

import pytest

from airflow_provider_voucherify.api import VoucherifyClient
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import ProjectRefusedError
from airflow_provider_voucherify.probe import MARKER, probe_project
from airflow_provider_voucherify.probe.guard import check_project
from airflow_provider_voucherify.probe.rates import RateRecorder

from .probing import QUICK, settings_of


def check(
    emulator: Emulator, *, confirmed_id: str | None = None, not_a_sandbox: bool = False, **settings: str
) -> float:
    rates = RateRecorder()
    with VoucherifyClient(settings_of(emulator, **settings), quota=rates) as client:
        return check_project(client, rates, confirmed_id=confirmed_id, not_a_sandbox=not_a_sandbox)


def add_orders(emulator: Emulator, count: int, **fields: object) -> None:
    with VoucherifyClient(settings_of(emulator)) as client:
        client.transport.quota.reserve = 0
        for number in range(count):
            client.create_order({"source_id": f"{fields}-{number}", **fields})


def nothing_was_written(emulator: Emulator) -> bool:
    return all(route.startswith("GET ") for route in emulator.calls()["calls"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"plan": "sandbox", "seed": 200}, "it has 200 orders, and not of probes alone"),
        ({"plan": "sandbox", "seed": 51}, "it has 51 orders"),
        ({"plan": "business"}, "its keys may be live ones: the period of 100 calls ends within a minute"),
        ({"plan": "organization"}, "its keys are live ones: their limit is 2000 calls"),
        ({"plan": "sandbox", "app_id": "acme-production"}, "the name of its application id is that of a live one"),
        ({"plan": "sandbox", "app_token": "live_1234"}, "the name of its secret key is that of a live one"),
    ],
)
def test_a_project_that_may_be_of_a_shop_is_refused(options, reason):
    with Emulator(**QUICK, **options) as emulator:
        with pytest.raises(ProjectRefusedError, match=reason) as refused:
            probe_project(settings_of(emulator))
        assert "--yes-this-project-id" in str(refused.value)
        assert emulator.options.app_token not in str(refused.value)
        assert nothing_was_written(emulator)


def test_a_connection_with_the_name_of_a_live_one_is_refused():
    with Emulator(**QUICK) as emulator, pytest.raises(ProjectRefusedError, match="the name of its connection"):
        check(emulator, name="voucherify_prod")


def test_a_project_without_rate_headers_is_refused_unless_it_is_an_emulator_here(monkeypatch):
    with Emulator(**QUICK) as emulator:
        assert check(emulator) == QUICK["speed"]
        monkeypatch.setattr("airflow_provider_voucherify.probe.guard.is_loopback", lambda host: False)
        with pytest.raises(ProjectRefusedError, match="no rate headers that would show the limit of a sandbox"):
            check(emulator)


def test_both_confirmations_are_needed_and_of_the_same_project():
    with Emulator(**QUICK, seed=100) as emulator:
        for told in ({"confirmed_id": emulator.app_id}, {"not_a_sandbox": True}):
            with pytest.raises(ProjectRefusedError, match="say so twice"):
                check(emulator, **told)
        with pytest.raises(ProjectRefusedError, match="the one that is meant is other"):
            check(emulator, confirmed_id="other", not_a_sandbox=True)
        assert check(emulator, confirmed_id=emulator.app_id, not_a_sandbox=True) == QUICK["speed"]
        assert nothing_was_written(emulator)


def test_orders_of_earlier_probes_are_not_those_of_a_shop():
    with Emulator(**QUICK) as emulator:
        add_orders(emulator, 110, metadata={MARKER: "before"})
        check(emulator)
        add_orders(emulator, 60)  # of a shop that opened in a project that was a sandbox
        with pytest.raises(ProjectRefusedError, match="it has 170 orders"):
            check(emulator)
