"""The download link of an export: without keys, and as it gets older."""

from __future__ import annotations

import time

from airflow_provider_voucherify.api.redaction import SecretUrl
from airflow_provider_voucherify.exceptions import ExperimentError, PlanExceededError, RetryableError
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
    """Return the status for the link; a failure that may pass, or a plan that is used up, says nothing of it."""
    transport = lab.client.transport
    with transport.open_file(url, NAME, with_keys=with_keys) as response:
        if response.is_redirect:
            raise ExperimentError(f"The link of an export redirects (HTTP {response.status_code}).")
        error = transport.error_of_file(response, NAME) if response.status_code >= 400 else None
    if isinstance(error, RetryableError | PlanExceededError):
        raise error
    return response.status_code
