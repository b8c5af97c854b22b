"""The rate headers: the limit, its period, and whether imports have one of their own."""

from __future__ import annotations

import time

from airflow_provider_voucherify.probe.lab import Lab
from airflow_provider_voucherify.probe.rates import MINUTE


def read_rate_headers(lab: Lab) -> None:
    """
    Read the headers of all responses so far, and of a few more.

    :param lab: The project.
    """
    session, rates = lab.session, lab.rates
    orders = lab.client.list_orders
    orders(limit=1)
    counted = rates.counts_imports_apart()
    limit, of_imports = rates.limit_of("call"), rates.limit_of("import")
    if limit is not None and not rates.is_hourly(lab.time_scale):
        _wait_for_next_period(lab)
        orders(limit=1)
    period = None if limit is None else "hour" if rates.is_hourly(lab.time_scale) else "minute"
    last = rates.headers[-1]
    session.found("rate_limit", limit, f"X-Rate-Limit-Limit {limit}, of imports {of_imports}")
    session.found("rate_period", period, f"X-Rate-Limit-Retry up to {rates.longest_wait:.0f} s ahead")
    counts_as = {True: "bulk_api_calls", False: "api_calls"}.get(counted) if counted is not None else None
    session.found("import_counts_as", counts_as, f"limit of imports {of_imports}, of other calls {limit}")
    session.found("bulk_limit", of_imports if counted else None, f"{last.remaining} of {last.limit} calls left")


def _wait_for_next_period(lab: Lab) -> None:
    """Wait for the end of what may be the last minute of an hour."""
    ends_at = lab.rates.headers[-1].ends_at or time.time()
    lab.sleep(min(max(0.0, ends_at - time.time()), MINUTE))
