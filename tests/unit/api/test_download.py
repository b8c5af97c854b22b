"""Downloads: links that expire, responses that are not the file, and tokens that nothing shows."""

from __future__ import annotations

import itertools
import logging
import time
import traceback

import pytest

from airflow_provider_voucherify.api import Settings, VoucherifyClient, transport
from airflow_provider_voucherify.api.download import open_download
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    DownloadLinkError,
    TransportError,
    TruncatedDownloadError,
    WaitTimeoutError,
)
from tests.unit.api.raw_server import RawServer

API = "https://api.voucherify.io"
FILE = "https://storage.example/secret-segment-planted/file"
LINK = f"{FILE}?X-Custom=planted-value&other=planted-too"
OK = b"HTTP/1.1 200 OK\r\n"
EXPIRED_XML = "<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


@pytest.fixture
def client():
    with VoucherifyClient(Settings(app_id="app", app_token="planted-secret", name="shop"), attempts=1) as client:
        yield client


def exported(requests_mock, *links):
    """Let Voucherify give one link after the other."""
    exports = [
        {"json": {"id": "exp_1", "status": "DONE", "exported_object": "order", "result": {"url": link}}}
        for link in links
    ]
    return requests_mock.get(f"{API}/v1/exports/exp_1", exports)


@pytest.mark.parametrize("status", [201, 203, 204, 206, 300, 304])
def test_anything_but_200_is_an_error(client, requests_mock, status):
    exported(requests_mock, LINK)
    requests_mock.get(FILE, status_code=status, content=b"ID\n1\n")
    with pytest.raises(TransportError, match=f"expected a file with status 200, got status {status}"):
        client.download_export("exp_1")


@pytest.mark.parametrize(
    ("status", "page", "shown"),
    [
        (403, EXPIRED_XML, "Request has expired"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", "ExpiredToken"),
        (401, "", "HTTP 401"),
        (410, "gone", "HTTP 410"),
    ],
)
def test_an_expired_link_is_renewed_and_named_as_one(client, requests_mock, status, page, shown):
    exports = exported(requests_mock, LINK, f"{FILE}/new")
    requests_mock.get(FILE, status_code=status, text=page)
    requests_mock.get(f"{FILE}/new", content=b"ID\n1\n")
    with client.download_export("exp_1") as download:
        assert download.read() == b"ID\n1\n"
    assert exports.call_count == 2

    requests_mock.get(f"{FILE}/new", status_code=status, text=page)
    with pytest.raises(DownloadLinkError, match="the link was refused and may have expired") as raised:
        client.download_export("exp_1")
    assert shown in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Check application id" not in str(raised.value)


def test_refused_keys_are_still_named_as_such(client, requests_mock):
    exported(requests_mock, "https://download.voucherify.io/v1/exports/exp_1?token=planted")
    requests_mock.get("https://download.voucherify.io/v1/exports/exp_1", status_code=401)
    with pytest.raises(AuthenticationError, match="Check application id"):
        client.download_export("exp_1")


@pytest.mark.parametrize("link", ["https://[broken/planted", "https://host:port/planted", 7, None, {"a": "planted"}])
def test_a_link_that_is_not_a_url_is_a_typed_error(client, requests_mock, link):
    exported(requests_mock, link)
    with pytest.raises(TransportError) as raised:
        client.download_export("exp_1")
    assert "planted" not in str(raised.value)


def test_an_empty_file_is_an_error(client, requests_mock):
    exported(requests_mock, LINK)
    requests_mock.get(FILE, content=b"")
    with client.download_export("exp_1") as download, pytest.raises(TruncatedDownloadError, match="not even have a"):
        download.read()


def drip(server_start: bytes):
    return itertools.chain([server_start], itertools.chain.from_iterable(itertools.repeat((b"1", 0.01), 3000)))


def open_at(server, client):
    return open_download(client.transport, f"{server.url}/file?token=planted", "the file")


def expect_a_stall(download):
    with pytest.raises(TruncatedDownloadError, match="broke off"):
        download.read()


@pytest.mark.parametrize("framing", [b"Content-Length: 99999\r\n\r\n", b"Connection: close\r\n\r\n"])
def test_a_download_that_hardly_progresses_stalls(monkeypatch, framing):
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.3)
    begin = time.monotonic()
    with RawServer(drip(OK + framing)) as server, server.client() as client, open_at(server, client) as download:
        expect_a_stall(download)
    assert time.monotonic() - begin < 20  # the dripping would take 30 s


def test_a_download_ends_at_the_deadline_of_the_task():
    begin = time.monotonic()
    with RawServer(drip(OK + b"Content-Length: 99999\r\n\r\n")) as server, server.client() as client:
        client.transport.set_deadline(time.time() + 0.3)
        with open_at(server, client) as download, pytest.raises(WaitTimeoutError, match="time limit of the task"):
            download.read()
    assert time.monotonic() - begin < 20


def test_a_slow_reader_is_not_a_stall(monkeypatch):
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(transport, "STALL_BYTES", 1 << 30)
    parts = [OK + b"Content-Length: 300000\r\n\r\n", b"x" * 300_000]
    with RawServer(parts) as server, server.client() as client, open_at(server, client) as download:
        received = b""
        while block := download.read(100_000):
            received += block
            time.sleep(0.2)
    assert len(received) == 300_000


PLANTED = "planted"


def shown_by(error: BaseException) -> str:
    """All that a traceback with the values of local variables could show, contexts and causes included."""
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return text.replace("test_download.py", "")


@pytest.mark.parametrize("status", [302, 403, 500])
def test_neither_logs_nor_tracebacks_show_a_token(status, caplog):
    caplog.set_level(logging.DEBUG)
    location = b"Location: http://localhost:1/planted-segment/x?y=planted\r\n" if status == 302 else b""
    response = b"HTTP/1.1 %d Odd\r\n%sContent-Length: 0\r\n\r\n" % (status, location)
    with RawServer([response]) as server, server.client() as client:
        error = failure_of(client, server.url)
    assert "/***" in caplog.text
    for text in (shown_by(error), caplog.text, str(error), repr(error)):
        assert PLANTED + "-segment" not in text
        assert PLANTED + "-value" not in text


def failure_of(client, url) -> BaseException:
    try:
        open_download(client.transport, f"{url}/{PLANTED}-segment/file?whatever={PLANTED}-value", "the file")
    except Exception as error:  # noqa: BLE001
        # without the frames of this test, which have to hold the URL
        error.__traceback__ = error.__traceback__.tb_next
        return error
    raise AssertionError("no failure")


def test_no_connection_shows_no_token(caplog):
    caplog.set_level(logging.DEBUG)
    with RawServer([]) as server:
        url, client = server.url, server.client()
    error = failure_of(client, url)
    assert isinstance(error, TransportError)
    for text in (shown_by(error), caplog.text):
        assert PLANTED + "-segment" not in text
        assert PLANTED + "-value" not in text


def test_a_response_that_cannot_be_decoded_does_not_show_its_link(client, requests_mock):
    requests_mock.get(f"{API}/v1/exports/exp_1", text=f'{{"result": {{"url": "{LINK}"}}, "id": 7}}')
    with pytest.raises(TransportError) as raised:
        client.get_export("exp_1")
    error = raised.value
    error.__traceback__ = error.__traceback__.tb_next
    assert "planted-value" not in shown_by(error)
