from __future__ import annotations

import importlib.util

import pytest

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import open_source
from airflow_provider_voucherify.reconciliation import ReconcileConfig, ReconcileJob
from airflow_provider_voucherify.reconciliation.comparison import Difference
from airflow_provider_voucherify.reconciliation.items import compare_items


def test_a_missing_duckdb_is_named_with_the_extra_before_any_call(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    client = VoucherifyClient(Settings(app_id="id", app_token="token"))
    with pytest.raises(ConfigurationError, match=r"airflow-provider-voucherify\[reconcile\]"):
        ReconcileJob(client, open_source([])).advance()
    assert client.transport.calls == 0


def test_only_what_is_compared_is_exported():
    config = ReconcileConfig(compare=["amount", "metadata.shop"])
    assert config.request.fields == (
        "id", "source_id", "created_at", "updated_at", "status", "amount", "metadata.shop",
    )  # fmt: skip
    assert (config.fields, config.metadata_keys) == (["amount"], ["shop"])
    assert ReconcileConfig().metadata_keys is None


@pytest.mark.parametrize(
    ("given", "there", "differences"),
    [
        ({"quantity": 2}, {"quantity": 2, "price": 5}, []),
        ({"quantity": 2}, {"quantity": 3}, [Difference("items[0].quantity", "2", "3", False)]),
        ({"sku_id": "s"}, {}, [Difference("items[0].sku_id", "s", None, False)]),
        ({"discount_amount": 0}, {}, []),
        (
            {"price": 5, "quantity": 2, "amount": 9},
            {"price": 5, "quantity": 2, "amount": 10},
            [Difference("items[0].amount", "9", "10", True)],
        ),
    ],
)
def test_items_are_compared_by_what_is_given(given, there, differences):
    assert compare_items({"items": [given]}, {"items": [there]}) == differences


def test_a_number_of_items_that_differs_is_one_difference():
    assert compare_items({"items": [{}, {}]}, {"items": [{}]}) == [Difference("number of items", "2", "1", False)]
    assert compare_items({}, {"items": [{}]}) == []
