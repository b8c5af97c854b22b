from __future__ import annotations

import pytest

from airflow_provider_voucherify.api.redaction import SecretUrl, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – text", "plain – text"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("line\u2028paragraph\u2029next\x85", r"line\u2028paragraph\u2029next\x85"),
        ("right\u202eto left", r"right\u202eto left"),
        (7, "7"),
    ],
)
def test_text_becomes_one_line(text, shown):
    assert one_line(text) == shown


@pytest.mark.parametrize("text", ["x" * 1000, "\n" * 1000, "é" * 10_000_000], ids=["long", "escaped", "huge"])
def test_text_of_any_length_is_cut(text):
    assert len(one_line(text, 100)) <= 100
    assert one_line(text, 100).endswith("…")


def test_text_that_just_fits_is_not_cut():
    assert one_line("x" * 100, 100) == "x" * 100


def test_a_secret_url_shows_its_host_alone():
    url = SecretUrl("https://user:password@files.example/segment/file?token=abc&other=d%20e")
    assert repr(url) == "https://files.example/***"
    assert url.secrets == ["abc", "d e", "password"]
    assert url.reveal().endswith("?token=abc&other=d%20e")
