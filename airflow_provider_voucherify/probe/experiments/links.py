"""The download link of an export: without keys, and as it gets older."""

from __future__ import annotations

import time

from airflow_provider_voucherify.api.redaction import SecretUrl
from airflow_provider_voucherify.probe.lab import Lab

NAME = "the file of an export"


def try_link(lab: Lab) -> None:
    """
    Get a fresh link, try it without keys, and then with them at some ages.

    :param lab: The project.
    """
    session = lab.session
    export = lab.wait_for_export(session.note("export"))
    made = time.monotonic()
    url = SecretUrl(export.urls[0])
    status = _status(lab, url, with_keys=False)
    session.found("download_needs_keys", status != 200, f"HTTP {status} without keys")
    oldest, seen = 0.0, []
    for age in lab.bounds.link_ages:
        lab.sleep(max(0.0, made + age - time.monotonic()))
        status = _status(lab, url)
        seen.append(f"HTTP {status} after {age:g} s")
        if status != 200:
            break
        oldest = age
    session.found("download_token_seconds", oldest, "; ".join(seen) or "no age was tried")


def _status(lab: Lab, url: SecretUrl, *, with_keys: bool = True) -> int:
    with lab.client.transport.open_file(url, NAME, with_keys=with_keys) as response:
        return response.status_code
