"""The download host: tokens and compression."""

from __future__ import annotations

import gzip
import time

import requests

from airflow_provider_voucherify.emulator import Emulator
from airflow_provider_voucherify.emulator.downloads import DownloadTokens

from .api import KEYS, Api


def test_a_download_is_compressed_for_who_takes_it(api):
    api.import_orders([{"source_id": f"{'x' * 20}{number}"} for number in range(2000)])
    url = api.finished_export(fields=["source_id"])["result"]["url"]

    def download(accept_encoding):
        with requests.get(url, headers={**KEYS, "Accept-Encoding": accept_encoding}, stream=True, timeout=10) as answer:
            return answer.headers, answer.raw.read()

    headers, plain = download("identity")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert int(headers["Content-Length"]) == len(plain)
    assert "Content-Encoding" not in headers
    headers, packed = download("deflate, gzip;q=0.5")
    assert headers["Content-Encoding"] == "gzip"
    assert len(packed) < len(plain) / 2
    assert gzip.decompress(packed) == plain
    assert download("gzip;q=0")[1] == plain


def test_a_token_opens_its_own_file_until_it_expires(api, emulator, monkeypatch):
    export, other = api.finished_export(), api.finished_export()
    url = export["result"]["url"]
    assert requests.get(url, headers=KEYS, timeout=10).status_code == 200
    base, _, token = url.partition("?token=")
    foreign = f"{emulator.download_url}/v1/exports/{other['id']}?token={token}"
    for wrong in (base, f"{base}?token=", f"{base}?token=0.00", foreign, f"{url}&file=1", f"{url}0"):
        answer = api.get(wrong)
        assert (answer.status_code, answer.json()["key"]) == (401, "unauthorized"), wrong
    monkeypatch.setattr(emulator.project, "download_tokens", DownloadTokens(0.001))
    short = api.get(f"/v1/exports/{export['id']}").json()["result"]["url"]
    time.sleep(0.01)
    answer = api.get(short)
    assert answer.status_code == 401
    assert answer.json()["details"] == "The token of the download URL has expired: get the export again"
    monkeypatch.undo()
    fresh = api.get(f"/v1/exports/{export['id']}").json()["result"]["url"]
    assert requests.get(fresh, headers=KEYS, timeout=10).status_code == 200


def test_downloads_need_the_keys_or_a_token_with_the_scope_too(api, emulator):
    url = api.finished_export()["result"]["url"]
    assert requests.get(url, timeout=10).status_code == 401
    assert api.get(url).status_code == 200
    for scope, status in (("exports", 200), ("orders", 401)):
        form = {"grant_type": "client_credentials", "scope": scope}
        token = api.post("/v1/oauth/token", data=form).json()["access_token"]
        assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == status


def test_downloads_may_need_no_keys():
    with Emulator(speed=1000, download_needs_keys=False) as emulator:
        url = Api(emulator).finished_export()["result"]["url"]
        assert requests.get(url, timeout=10).status_code == 200
