"""The API through a proxy, and with TLS by an authority of one's own: calls, the OAuth token and downloads."""

from __future__ import annotations

from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from airflow_provider_voucherify.api import Settings, VoucherifyClient
from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.exceptions import TransportError
from airflow_provider_voucherify.order_export import ExportJob, ExportRequest
from tests.integration.networks import Proxy, own_authority, tls_front


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """An emulator behind TLS: it, its address, and the certificate of its authority."""
    authority, context = own_authority(tmp_path_factory.mktemp("tls"))
    with Emulator(speed=200) as emulator, tls_front(urlsplit(emulator.url).port, context) as front:
        yield emulator, f"https://localhost:{front.port}", str(authority)


def client_of(secured, **settings) -> VoucherifyClient:
    emulator, url, _ = secured
    keys = {"app_id": emulator.app_id, "app_token": emulator.app_token}
    return VoucherifyClient(Settings(base_url=url, name="shop", **keys, **settings), attempts=1)


def test_all_requests_go_through_the_proxy_and_trust_the_authority(secured, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    emulator, url, authority = secured
    with Proxy() as proxy:
        proxies = {"https": proxy.url, "http": proxy.url}
        with client_of(secured, verify=authority, proxies=proxies, oauth=True) as client:
            client.create_order({"source_id": "order-1", "amount": 500})
            ExportJob(client, ExportRequest(fields=["source_id"]), tmp_path / "orders.parquet").run()
        targets = set(proxy.targets)
    assert targets == {f"CONNECT {urlsplit(url).netloc}", f"GET {urlsplit(emulator.download_url).netloc}"}
    assert emulator.calls()["calls"]["POST /v1/oauth/token"] == 1
    assert pq.read_table(tmp_path / "orders.parquet").to_pylist() == [{"source_id": "order-1"}]


def test_an_authority_that_is_not_known_gets_a_hint(secured):
    with client_of(secured) as client, pytest.raises(TransportError, match="name the certificates of your own") as told:
        client.list_orders()
    assert told.value.sent is False
