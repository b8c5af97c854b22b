from __future__ import annotations

import pytest

from airflow_provider_voucherify.api.settings import Settings, base_url_of, is_loopback
from airflow_provider_voucherify.exceptions import ConfigurationError


def settings(**given):
    return Settings(**{"app_id": "app", "app_token": "planted-secret", "name": "shop"} | given)


@pytest.mark.parametrize(
    ("host", "port", "scheme", "url"),
    [
        (None, None, None, "https://api.voucherify.io"),
        ("", None, "", "https://api.voucherify.io"),
        ("us1.api.voucherify.io", None, None, "https://us1.api.voucherify.io"),
        ("https://as1.api.voucherify.io/", None, None, "https://as1.api.voucherify.io"),
        ("API.Voucherify.io", 443, None, "https://api.voucherify.io"),
        ("http://127.0.0.1:8600", None, None, "http://127.0.0.1:8600"),
        ("127.0.0.1", 8600, "http", "http://127.0.0.1:8600"),
        ("http://127.0.0.1:8600", 1, "https", "http://127.0.0.1:8600"),
        ("http://[::1]:8600", None, None, "http://[::1]:8600"),
    ],
)
def test_the_host_may_be_typed_in_many_ways(host, port, scheme, url):
    assert base_url_of(host, port, scheme, name="shop") == url


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("https://api.voucherify.io/v1", "remove '/v1'"),
        ("ftp://api.voucherify.io", "neither https nor http"),
        ("https://", "not a host name"),
        ("api voucherify io", "not a host name"),
        ("https://app:token@api.voucherify.io", "has keys in it"),
        ("https://api.voucherify.io:port", "is not valid"),
    ],
)
def test_a_host_that_cannot_be_one_is_refused_by_name(host, what):
    with pytest.raises(ConfigurationError, match=f"connection 'shop': .*{what}"):
        base_url_of(host, name="shop")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"app_id": ""}, "has no login"),
        ({"app_token": ""}, "has no password"),
        ({"app_token": "planted-secret\n"}, "app_token has spaces"),
        ({"base_url": "http://api.voucherify.io"}, "unencrypted"),
        ({"base_url": "http://10.0.0.1"}, "unencrypted"),
        ({"read_timeout": 0}, "read_timeout must be above 0"),
        ({"quota_reserve": -1}, "quota_reserve must not be negative"),
        ({"quota_reserve": float("nan")}, "quota_reserve must not be negative"),
        ({"read_timeout": float("inf")}, "read_timeout must be above 0"),
        ({"proxies": {"https": "proxy:3128"}}, "the proxy for 'https' must be a URL"),
        ({"proxies": {"https": "http://planted-secret@[bad"}}, "the proxy for 'https' must be a URL"),
        ({"proxies": {"ftp": "http://proxy"}}, "unknown scheme 'ftp'"),
        ({"verify": "/nowhere/ca.pem"}, "verify names no file"),
        ({"download_hosts": ("https://files.example/",)}, "download_hosts must be host names"),
        ({"dashboard_url": "javascript:alert(1)"}, "dashboard_url must begin with https://, got 'javascript:alert"),
        ({"dashboard_url": "https://[dash"}, "dashboard_url 'https://.dash' is not valid: Invalid IPv6"),
        ({"dashboard_url": "dash.example"}, "dashboard_url must begin with https://, got 'dash.example'"),
        ({"dashboard_url": "https://:planted-secret@dash.example"}, "dashboard_url has keys in it"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, what):
    with pytest.raises(ConfigurationError, match=what) as raised:
        settings(**given)
    assert "planted-secret" not in str(raised.value)


def test_settings_do_not_show_the_key():
    assert "planted-secret" not in repr(settings())


@pytest.mark.parametrize(
    ("base_url", "url", "trusted"),
    [
        ("https://api.voucherify.io", "https://api.voucherify.io/v1/orders", True),
        ("https://api.voucherify.io", "https://download.voucherify.io/x", True),
        ("https://us1.api.voucherify.io", "https://us1.download.voucherify.io/x", True),
        ("https://api.voucherify.io", "http://download.voucherify.io/x", False),
        ("https://api.voucherify.io", "https://voucherify.io.evil.example/x", False),
        ("https://api.voucherify.io", "https://evilvoucherify.io/x", False),
        ("https://api.voucherify.io", "http://127.0.0.1/x", False),
        ("https://vouchers.example", "https://download.voucherify.io/x", False),
        ("https://vouchers.example", "https://vouchers.example/x", True),
        ("https://vouchers.example", "https://files.example/x", True),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/x", True),
        ("http://127.0.0.1:1", "http://localhost:2/x", True),
        ("http://127.0.0.1:1", "https://download.voucherify.io/x", False),
    ],
)
def test_keys_go_to_the_api_and_its_download_hosts_alone(base_url, url, trusted):
    assert settings(base_url=base_url, download_hosts=("files.example",)).trusts(url) is trusted


def test_loopback():
    assert is_loopback("localhost")
    assert is_loopback("127.1.2.3")
    assert is_loopback("::1")
    assert not is_loopback("localhost.example")


@pytest.mark.parametrize(
    ("given", "link"),
    [
        ({}, "https://app.voucherify.io/#/app/core/logs"),
        ({"base_url": "https://us1.api.voucherify.io"}, "https://us1.app.voucherify.io/#/app/core/logs"),
        ({"base_url": "https://as1.api.voucherify.io:443"}, "https://as1.app.voucherify.io/#/app/core/logs"),
        ({"base_url": "https://shop.api.voucherify.io"}, None),
        ({"base_url": "http://127.0.0.1:8600"}, None),
        ({"dashboard_url": "https://dash.example/all"}, "https://dash.example/all"),
        ({"dashboard_url": "http://dash.example/{resource}?of={id}"}, "http://dash.example/exports?of=a%2Fb%26c"),
    ],
)
def test_the_dashboard_is_that_of_the_cluster_or_the_one_named(given, link):
    assert settings(**given).dashboard_link("exports", "a/b&c") == link


def test_the_project_is_the_host_and_the_application():
    assert settings(base_url="https://us1.api.voucherify.io").project == "us1.api.voucherify.io/app"
    assert settings(base_url="http://127.0.0.1:8600").project == "127.0.0.1:8600/app"
