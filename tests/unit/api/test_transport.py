"""What the emulator cannot show: other hosts, unexpected responses, and errors of the connection itself."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
import time

import pytest
import requests
import urllib3
from requests_mock import ANY

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.quota import Quota
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    ListingError,
    NotFoundError,
    PagingLimitError,
    PayloadTooLargeError,
    PlanExceededError,
    QuotaError,
    RequestRefusedError,
    RetryableError,
    ServerError,
    TransportError,
    TruncatedDownloadError,
    UnavailableError,
)
from tests.unit.api.raw_server import RawServer

SECRET = "planted-secret"
API = "https://api.voucherify.io"
ORDERS = f"{API}/v1/orders"


@pytest.fixture
def slept():
    return []


@pytest.fixture
def secrets():
    return []


@pytest.fixture
def client(slept, secrets):
    settings = Settings(app_id="app", app_token=SECRET, name="shop")
    quota = Quota(clock=lambda: time.time() + sum(slept))  # as if it had slept
    return VoucherifyClient(settings, sleep=slept.append, on_secret=secrets.append, quota=quota)


def test_every_call_is_signed_and_names_its_version(client, requests_mock):
    requests_mock.get(ORDERS, json={"orders": [], "total": 0})
    client.list_orders()
    sent = requests_mock.last_request.headers
    assert (sent["X-App-Id"], sent["X-App-Token"]) == ("app", SECRET)
    assert sent["X-Voucherify-API-Version"] == "v2018-08-01"


@pytest.mark.parametrize(
    ("status", "key", "headers", "kind"),
    [
        (400, "invalid_payload", {}, InvalidRequestError),
        (400, "query_too_large", {}, PayloadTooLargeError),
        (401, "unauthorized", {}, AuthenticationError),
        (402, None, {}, PlanExceededError),
        (403, None, {}, AuthenticationError),
        (404, "not_found", {}, NotFoundError),
        (405, None, {}, RequestRefusedError),
        (413, None, {}, PayloadTooLargeError),
        (415, None, {}, RequestRefusedError),
        (429, None, {"Retry-After": "3600"}, QuotaError),
        (429, None, {"X-Rate-Limit-Type": "api_calls_cycle"}, PlanExceededError),
        (429, "subscription_ended", {}, PlanExceededError),
        (500, "internal_error", {}, ServerError),
    ],
)
def test_the_class_of_an_error_depends_on_status_and_key(client, requests_mock, status, key, headers, kind):
    body = {"code": status, "key": key, "message": "No", "details": "because", "request_id": "v-1"}
    requests_mock.post(f"{ORDERS}/import", status_code=status, json=body, headers=headers)
    with pytest.raises(kind, match=r"POST /v1/orders/import with connection 'shop': No: because") as raised:
        client.import_orders([{}])
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.key, raised.value.request_id) == (status, key, "v-1")
    assert SECRET not in str(raised.value) + repr(raised.value)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("status", [408, 409, 423, 425])
def test_a_passing_refusal_is_retried_and_never_an_invalid_request(client, requests_mock, status):
    body = {"code": status, "key": "resource_locked", "message": "Resource locked"}
    requests_mock.post(
        f"{ORDERS}/import", [{"status_code": status, "json": body}] * 2 + [{"json": {"async_action_id": "a"}}]
    )
    assert client.import_orders([{}]) == "a"
    requests_mock.post(f"{ORDERS}/import", status_code=status, json=body)
    with pytest.raises(RetryableError, match="Resource locked") as raised:
        client.import_orders([{}])
    assert not isinstance(raised.value, InvalidRequestError)


@pytest.mark.parametrize("status", [400, 407, 415, 422])
@pytest.mark.parametrize("page", ["<html><h1>Bad\nRequest</h1></html>", '{"message": "Bad Request"}', "[]", ""])
def test_a_refusal_that_the_api_did_not_write_says_nothing_of_the_payload(client, requests_mock, status, page):
    requests_mock.post(f"{ORDERS}/import", status_code=status, text=page, headers={"Content-Type": "text/html"})
    with pytest.raises(UnavailableError) as raised:
        client.import_orders([{}])
    assert "\n" not in str(raised.value)
    assert requests_mock.call_count == 5


def test_errors_can_be_copied_and_pickled(client, requests_mock):
    requests_mock.get(ORDERS, status_code=404, json={"message": "No"})
    with pytest.raises(NotFoundError) as raised:
        client.list_orders()
    for twin in (copy.copy(raised.value), pickle.loads(pickle.dumps(raised.value))):
        assert str(twin) == str(raised.value)
    assert str(pickle.loads(pickle.dumps(TransportError("lost", sent=True)))) == "lost"


def test_an_error_without_a_json_body_keeps_its_class(client, requests_mock):
    requests_mock.get(ORDERS, status_code=404, text="<html>", reason="Not Found")
    with pytest.raises(NotFoundError, match="Not Found"):
        client.list_orders()


def test_a_response_that_is_not_from_voucherify_is_an_error(client, requests_mock):
    requests_mock.get(ORDERS, text="<html>welcome</html>")
    with pytest.raises(TransportError, match="not one of Voucherify"):
        client.list_orders()


# retries


def test_an_idempotent_request_is_retried(client, requests_mock, slept):
    responses = [{"status_code": 502}, {"exc": requests.ReadTimeout}, {"json": {"orders": [], "total": 0}}]
    requests_mock.get(ORDERS, responses)
    assert client.list_orders().total == 0
    assert len(slept) == 2


def test_retries_end(client, requests_mock):
    requests_mock.get(ORDERS, status_code=500)
    with pytest.raises(ServerError):
        client.list_orders()
    assert requests_mock.call_count == 5


@pytest.mark.parametrize("response", [{"status_code": 503}, {"exc": requests.ReadTimeout}])
def test_an_import_or_export_is_never_retried_if_it_may_have_been_done(client, requests_mock, response):
    requests_mock.post(ANY, **response)
    for call in (lambda: client.import_orders([{}]), client.create_order_export, lambda: client.create_order({})):
        before = requests_mock.call_count
        with pytest.raises((ServerError, TransportError)) as raised:
            call()
        assert requests_mock.call_count == before + 1
        assert getattr(raised.value, "sent", True)


def test_an_order_with_an_id_of_its_own_is_retried(client, requests_mock):
    requests_mock.post(ORDERS, [{"status_code": 503}, {"json": {"id": "ord_1"}}])
    assert client.create_order({"source_id": "a"})["id"] == "ord_1"


def test_an_import_that_was_refused_for_the_quota_is_retried(client, requests_mock, slept):
    refused = {"status_code": 429, "headers": {"Retry-After": "7"}}
    requests_mock.post(f"{ORDERS}/import", [refused, {"json": {"async_action_id": "aa_1"}}])
    assert client.import_orders([{}]) == "aa_1"
    assert 6.9 < sum(slept) <= 14  # the wait of the repeat, and what is left of it before the call


def test_a_long_wait_for_the_quota_is_left_to_the_caller(client, requests_mock, slept):
    requests_mock.get(ORDERS, status_code=429, headers={"Retry-After": "1800"}, json={"message": "Too many"})
    with pytest.raises(QuotaError) as raised:
        client.list_orders()
    assert raised.value.retry_at is not None
    with pytest.raises(QuotaError, match="not sent, to leave"):
        client.list_orders()
    assert requests_mock.call_count == 1
    assert slept == []


def test_a_connection_that_was_never_made_is_retried_for_every_call(slept):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    settings = Settings(app_id="app", app_token=SECRET, base_url=f"http://127.0.0.1:{port}", name="shop")
    with VoucherifyClient(settings, sleep=slept.append) as client, pytest.raises(TransportError) as raised:
        client.import_orders([{}])
    assert raised.value.sent is False
    assert "Check the host" in str(raised.value)
    assert len(slept) == 4


def test_a_host_that_does_not_exist_was_never_reached(slept):
    settings = Settings(app_id="app", app_token=SECRET, base_url="https://nowhere.invalid", name="shop")
    with VoucherifyClient(settings, sleep=slept.append) as client, pytest.raises(TransportError) as raised:
        client.list_orders()
    assert raised.value.sent is False
    assert "nowhere.invalid" in str(raised.value)


# keys and redirects


def test_keys_do_not_follow_a_redirect(client, requests_mock):
    requests_mock.get(ORDERS, status_code=302, headers={"Location": "https://evil.example/v1/orders"})
    evil = requests_mock.get("https://evil.example/v1/orders", json={})
    with pytest.raises(TransportError, match=r"redirects to evil\.example, and the keys are not sent there"):
        client.list_orders()
    assert not evil.called


def exported(requests_mock, url):
    requests_mock.get(
        f"{API}/v1/exports/exp_1",
        json={"id": "exp_1", "status": "DONE", "exported_object": "order", "result": {"url": url}},
    )


def test_a_download_has_the_keys_at_the_download_host(client, requests_mock, secrets):
    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=planted-token")
    requests_mock.get("https://download.voucherify.io/v1/exports/exp_1", content=b"ID\n")
    with client.download_export("exp_1") as download:
        assert download.read() == b"ID\n"
    assert requests_mock.last_request.headers["X-App-Token"] == SECRET
    assert "planted-token" in secrets


def test_a_download_elsewhere_goes_without_the_keys(client, requests_mock):
    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=t")
    requests_mock.get(
        "https://download.voucherify.io/v1/exports/exp_1",
        status_code=302,
        headers={"Location": "https://storage.example/file?signature=s"},
    )
    requests_mock.get("https://storage.example/file", content=b"ID\n")
    with client.download_export("exp_1") as download:
        assert download.read() == b"ID\n"
    sent = requests_mock.last_request.headers
    assert not {"X-App-Id", "X-App-Token", "Authorization"} & set(sent)


def test_a_download_without_encryption_is_refused(client, requests_mock):
    exported(requests_mock, "http://storage.example/file?token=planted-token")
    with pytest.raises(TransportError, match="is not https") as raised:
        client.download_export("exp_1")
    assert "planted-token" not in str(raised.value)


def test_an_expired_url_is_requested_again_once(client, requests_mock):
    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=t")
    download = requests_mock.get("https://download.voucherify.io/v1/exports/exp_1", status_code=401)
    with pytest.raises(AuthenticationError):
        client.download_export("exp_1")
    assert download.call_count == 2


def test_an_export_without_a_file_is_an_error(client, requests_mock):
    requests_mock.get(
        f"{API}/v1/exports/exp_1",
        json={"id": "exp_1", "status": "SCHEDULED", "exported_object": "order", "result": None},
    )
    with pytest.raises(TransportError, match="Export exp_1 is SCHEDULED and has 0 file"):
        client.download_export("exp_1")


def test_a_broken_download_does_not_show_its_token(client, requests_mock):
    class Broken:
        def read(self, *args, **kwargs):
            raise urllib3.exceptions.ProtocolError("broke at ?token=planted-token")

        def close(self):
            pass

    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=planted-token")
    requests_mock.get("https://download.voucherify.io/v1/exports/exp_1", content=b"")
    download = client.download_export("exp_1")
    download._response.raw = Broken()
    with pytest.raises(TruncatedDownloadError, match="broke off after 0 bytes") as raised:
        download.read()
    assert "planted-token" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_no_error_of_the_connection_shows_a_token(client, requests_mock, caplog):
    caplog.set_level(logging.DEBUG, logger="airflow_provider_voucherify")
    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=planted-token")
    requests_mock.get(
        "https://download.voucherify.io/v1/exports/exp_1",
        exc=requests.ConnectionError("Max retries exceeded with url: /v1/exports/exp_1?token=planted-token"),
    )
    with pytest.raises(TransportError) as raised:
        client.download_export("exp_1")
    assert "planted-token" not in str(raised.value) + caplog.text


@pytest.mark.parametrize("secret", ["token=planted", "X-Amz-Signature=planted", "a=1&sig=planted&b=2"])
def test_the_debug_log_of_urllib3_hides_what_is_secret_in_a_url(secret, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")
    logger = logging.getLogger("urllib3.connectionpool")
    logger.debug('%s "%s %s" %s', "https://files.example", "GET", f"/file?{secret}", 200)
    assert "planted" not in caplog.text
    assert "=***" in caplog.text


# OAuth


@pytest.fixture
def oauth_client(slept, secrets):
    settings = Settings(app_id="app", app_token=SECRET, name="shop", oauth=True)
    return VoucherifyClient(settings, sleep=slept.append, on_secret=secrets.append)


def test_a_token_is_fetched_once_and_renewed_before_its_end(oauth_client, requests_mock, secrets, time_machine):
    tokens = requests_mock.post(
        f"{API}/v1/oauth/token",
        [{"json": {"access_token": f"token-{number}", "expires_in": 900}} for number in (1, 2)],
    )
    requests_mock.get(ORDERS, json={"orders": [], "total": 0})
    time_machine.move_to(1_700_000_000, tick=False)
    oauth_client.list_orders()
    time_machine.shift(839)
    oauth_client.list_orders()
    assert tokens.call_count == 1
    assert requests_mock.last_request.headers["Authorization"] == "Bearer token-1"
    assert "X-App-Token" not in requests_mock.last_request.headers
    time_machine.shift(2)
    oauth_client.list_orders()
    assert requests_mock.last_request.headers["Authorization"] == "Bearer token-2"
    assert tokens.request_history[0].text == "grant_type=client_credentials&scope=orders+exports+async-actions"
    assert tokens.request_history[0].headers["X-App-Token"] == SECRET
    assert secrets == ["token-1", "token-2"]


def test_a_revoked_token_is_renewed_once(oauth_client, requests_mock):
    tokens = requests_mock.post(f"{API}/v1/oauth/token", json={"access_token": "token", "expires_in": 900})
    requests_mock.get(ORDERS, status_code=401, json={"message": "Unauthorized"})
    with pytest.raises(AuthenticationError):
        oauth_client.list_orders()
    assert tokens.call_count == 2


# paging


def pages(total):
    return lambda request, _context: {"orders": [{"id": f"ord_{request.qs['page'][0]}"}] * 100, "total": total}


def test_pages_of_orders_that_repeat_are_an_error(client, requests_mock):
    requests_mock.get(ORDERS, json={"orders": [{"id": "ord"}] * 100, "total": 200})
    with pytest.raises(ListingError, match="the same orders as page 1 and page 2"):
        list(client.iter_orders())


def action(number):
    return {
        "id": f"aa_{number}",
        "type": "ORDERS.IMPORT",
        "status": "DONE",
        "created_at": f"2026-01-01T00:00:{number:02}Z",
    }


def test_async_actions_are_listed_to_the_oldest(client, requests_mock):
    def listed(request, _context):
        numbers = {None: (5, 4), "2026-01-01t00:00:04.001z": (4, 3), "2026-01-01t00:00:03.001z": (3, 2)}
        here = numbers[request.qs.get("end_date", [None])[0]]
        return {"async_actions": [action(number) for number in here], "has_more": here != (3, 2)}

    requests_mock.get(f"{API}/v1/async-actions", json=listed)
    assert [action.id for action in client.iter_async_actions()] == ["aa_5", "aa_4", "aa_3", "aa_2"]


def test_async_actions_of_one_millisecond_are_all_listed(client, requests_mock):
    actions = [action(number // 3) | {"id": f"aa_{number}"} for number in range(90, 0, -1)]

    def listed(request, _context):
        end = request.qs.get("end_date", ["9"])[0].upper()
        here = [each for each in actions if each["created_at"].replace("Z", ".000Z") < end]
        return {"async_actions": here[:10], "has_more": len(here) > 10}

    requests_mock.get(f"{API}/v1/async-actions", json=listed)
    assert [found.id for found in client.iter_async_actions()] == [each["id"] for each in actions]


def test_a_server_that_ignores_the_end_date_of_a_listing_is_noticed(client, requests_mock):
    requests_mock.get(f"{API}/v1/async-actions", json={"async_actions": [action(1), action(2)], "has_more": True})
    with pytest.raises(ListingError, match="no new ones"):
        list(client.iter_async_actions())
    assert requests_mock.call_count == 2


def test_the_limit_of_paging_is_an_error(client, requests_mock):
    requests_mock.get(ORDERS, json=pages(total=12_345))
    seen = 0
    with pytest.raises(PagingLimitError, match="lists 10,000 of 12,345 orders"):
        for _ in client.iter_orders():
            seen += 1
    assert seen == 10_000
    assert requests_mock.last_request.qs == {"limit": ["100"], "page": ["100"]}


def test_exactly_ten_thousand_orders_are_listed_without_an_error(client, requests_mock):
    requests_mock.get(ORDERS, json=pages(total=10_000))
    assert sum(1 for _ in client.iter_orders()) == 10_000


def test_an_id_is_quoted_and_an_empty_one_refused(client, requests_mock):
    requests_mock.get(f"{ORDERS}/a%2Fb%3Fc", json={"id": "ord_1"})
    assert client.get_order("a/b?c")["id"] == "ord_1"
    with pytest.raises(ValueError, match="must not be empty"):
        client.get_order("")


@pytest.mark.parametrize("order_id", [".", "..", "a\n"])
def test_an_id_that_would_call_another_endpoint_is_refused(client, requests_mock, order_id):
    with pytest.raises(ConfigurationError, match="cannot be part of a URL"):
        client.get_order(order_id)
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("object_id", ["", "..", "a/b", "a?b", "a b", "a\n", "a" * 201])
@pytest.mark.parametrize("method", ["get_async_action", "get_export", "delete_export", "download_export"])
def test_the_id_of_an_action_or_export_has_no_strange_characters(client, requests_mock, method, object_id):
    with pytest.raises(ConfigurationError, match="is not an id of Voucherify"):
        getattr(client, method)(object_id)
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("object_id", ["", "..", "a/b"])
def test_a_strange_id_in_a_response_is_an_error(client, requests_mock, object_id):
    requests_mock.post(f"{ORDERS}/import", json={"async_action_id": object_id})
    requests_mock.post(f"{ORDERS}/export", json={"id": object_id, "status": "SCHEDULED", "exported_object": "order"})
    for call in (lambda: client.import_orders([{}]), client.create_order_export):
        with pytest.raises(TransportError, match="in place of an id") as raised:
            call()
        assert raised.value.sent


def test_a_missing_response_names_host_port_and_cause():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = Settings(app_id="app", app_token=SECRET, base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(TransportError, match=rf"no response from 127.0.0.1:{port} \(Connection refused\)"):
        VoucherifyClient(settings, attempts=1).list_orders()


# networks


def test_requests_go_through_the_proxy_of_the_connection_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    body = b'{"orders": []}'
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body]) as proxy:
        settings = Settings(
            app_id="app", app_token=SECRET, base_url="http://localhost:2", proxies={"http": proxy.url}, name="shop"
        )
        with VoucherifyClient(settings, attempts=1) as client:
            assert client.list_orders().orders == []
    assert proxy.requests == 1


def test_a_proxy_that_fails_does_not_show_its_credentials():
    settings = Settings(
        app_id="app", app_token=SECRET, proxies={"https": "http://user:planted-secret@127.0.0.1:1"}, name="shop"
    )
    with VoucherifyClient(settings, attempts=1) as client, pytest.raises(TransportError) as raised:
        client.list_orders()
    assert "planted-secret" not in str(raised.value) + repr(settings)
    assert raised.value.sent is False


def test_a_host_without_tls_gets_a_hint():
    with RawServer([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as server:
        settings = Settings(app_id="app", app_token=SECRET, base_url=server.url.replace("http:", "https:"), name="shop")
        with VoucherifyClient(settings, attempts=1) as client, pytest.raises(TransportError, match="Write http://"):
            client.list_orders()


def test_the_sender_is_named(client, requests_mock):
    requests_mock.get(ORDERS, json={"orders": []})
    client.list_orders()
    assert requests_mock.last_request.headers["User-Agent"] == f"airflow-provider-voucherify/{__version__}"
