from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_voucherify.api import Settings, VoucherifyClient
from airflow_provider_voucherify.api.models import ORDERS_IMPORT
from airflow_provider_voucherify.core.lost_requests import async_actions_since
from airflow_provider_voucherify.exceptions import ListingError

ACTIONS = "https://api.voucherify.io/v1/async-actions"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def client():
    with VoucherifyClient(Settings(app_id="app", app_token="secret", name="shop"), attempts=1) as client:
        yield client


def action(number: int, milliseconds: int, kind: str = ORDERS_IMPORT) -> dict[str, str]:
    moment = START + timedelta(milliseconds=milliseconds)
    return {"id": f"aa_{number}", "type": kind, "status": "DONE", "created_at": moment.isoformat()}


def serve(requests_mock, actions: list[dict[str, str]], page_size: int = 100, *, ignore_end_date: bool = False) -> None:
    """List actions from the newest to the oldest, those before ``end_date`` alone."""

    def listed(request, _context):
        end_date = request.qs.get("end_date")
        before = datetime.fromisoformat(end_date[0].upper()) if end_date and not ignore_end_date else None
        there = [item for item in actions if before is None or datetime.fromisoformat(item["created_at"]) < before]
        return {"async_actions": there[:page_size], "has_more": len(there) > page_size}

    requests_mock.get(ACTIONS, json=listed)


def test_only_unknown_actions_of_the_type_since_the_request_are_found(client, requests_mock):
    others = [action(1, 50_000), action(2, 45_000, "VOUCHERS.IMPORT"), action(3, 35_000), action(4, 9_000)]
    serve(requests_mock, others)
    sent_at = (START + timedelta(seconds=40)).timestamp()
    assert [found.id for found in async_actions_since(client, sent_at, ORDERS_IMPORT, {"aa_3"})] == ["aa_1"]


def test_actions_of_the_same_millisecond_are_found_on_either_page(client, requests_mock):
    serve(requests_mock, [action(number, 1_000) for number in range(3)] + [action(9, -60_000)], page_size=2)
    with pytest.raises(ListingError):  # three of one millisecond do not fit on a page: that is said, not guessed
        async_actions_since(client, START.timestamp(), ORDERS_IMPORT, ())
    moments = {1: 2_000, 2: 1_500, 3: 1_000, 4: 1_000, 9: -60_000}
    serve(requests_mock, [action(number, moment) for number, moment in moments.items()], page_size=3)
    found = async_actions_since(client, START.timestamp(), ORDERS_IMPORT, ())
    assert [item.id for item in found] == ["aa_1", "aa_2", "aa_3", "aa_4"]


def test_a_server_that_ignores_the_end_date_is_noticed(client, requests_mock):
    serve(
        requests_mock, [action(number, 1_000 * (9 - number)) for number in range(9)], page_size=2, ignore_end_date=True
    )
    with pytest.raises(ListingError, match="no new ones"):
        async_actions_since(client, START.timestamp(), ORDERS_IMPORT, ())
    assert requests_mock.call_count == 2
