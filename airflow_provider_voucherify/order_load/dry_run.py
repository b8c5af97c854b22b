"""What a dry run found: what a job would send, cost and take. Everything is read and checked, and nothing sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.core.job import naming_connection
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import DryRunFailedError
from airflow_provider_voucherify.order_load.config import LoadConfig
from airflow_provider_voucherify.order_load.find_rules import find_rules
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.losses import Loss, first_of
from airflow_provider_voucherify.reporting.observations import MAX_FAILURES
from airflow_provider_voucherify.reporting.reject_files import Outcome, Report

FOLDER = "dry_run"
MINUTES_PER_HOUR = 60

log = logging.getLogger(__name__)


class DryRunResult(msgspec.Struct, kw_only=True):
    """
    What a job would do.

    :param orders: The number of orders in the source.
    :param rejected: Orders that would not be sent.
    :param superseded: Of these, the ones left out in favour of another order with their ``source_id``.
    :param with_customer: Orders with a customer or referrer, who would move through segments.
    :param with_override: Orders with a product or SKU that would overwrite the catalogue.
    :param chunks: Requests.
    :param bytes: The bytes of their bodies.
    :param api_calls: Calls, if nothing goes wrong.
    :param hours: The hours that these calls take at least, at the limit of the project less the reserve; None if
        Voucherify does not state a limit. The limit is taken to be one of a minute: that of a sandbox is one of an hour
        (documented, but not in the headers), which takes 60 times as long.
    :param reasons: The first orders that would not be sent, and why.
    :param findings: What would be left out, renamed or guessed, or looks wrong: ``finding``, ``count``, ``example``
        (a position) and ``option``.
    """

    orders: int = 0
    rejected: int = 0
    superseded: int = 0
    with_customer: int = 0
    with_override: int = 0
    chunks: int = 0
    bytes: int = 0
    api_calls: int = 0
    hours: float | None = None
    reasons: list[str] = []
    findings: list[dict[str, Any]] = []

    def to_xcom(self) -> dict[str, Any]:
        """Return counts and reasons, and the number of findings."""
        return {**msgspec.to_builtins(self), "findings": len(self.findings)}

    def check(self, max_rejected: float, cycle_calls_left: int | None) -> None:
        """
        Check whether the orders could be loaded as they are.

        :param max_rejected: How many orders may be rejected: a share of all when below 1, otherwise a number.
        :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
        :raises DryRunFailedError: if it needs more calls, or more orders would be rejected.
        """
        if cycle_calls_left is not None and self.api_calls > cycle_calls_left:
            raise DryRunFailedError(
                f"This needs about {self.api_calls:,} calls, and {cycle_calls_left:,} are left in the billing "
                "cycle (cycle_calls_left). Send a part of the orders, wait for the next cycle, or raise the plan."
            )
        rejected = Loss(self.rejected - self.superseded, "would be rejected", "max_rejected", max_rejected)
        if not rejected.is_tolerated(self.orders):
            raise DryRunFailedError(f"Of {self.orders:,} orders {rejected}. {first_of(self.reasons)}")

    def __str__(self) -> str:
        duration = None if self.hours is None else timedelta(seconds=round(self.hours * 3600))
        takes = (
            "" if duration is None else f", and take at least {duration} (hours:minutes:seconds) at the project's limit"
        )
        return (
            f"{self.orders - self.rejected:,} of {self.orders:,} orders would go in {self.chunks:,} requests of "
            f"{self.bytes:,} bytes, cost about {self.api_calls:,} calls{takes}; {self.rejected:,} would be rejected; "
            f"{len(self.findings) or 'no'} findings about the orders."
        )


class DryRun:
    """
    What the dry runs of all jobs share: one call, whose response states the limit of the project, and the report.

    :param client: The API.
    :param source: The orders.
    :param config: The options of the job.
    :param report_path: The folder of the job's report. The orders that would be rejected, and a summary, are written to
        ``dry_run/`` in it.
    """

    def __init__(self, client: Endpoints, source: Source, config: LoadConfig, report_path: StoragePath | None) -> None:
        if report_path is not None:
            source.check_report_path(report_path)
        client.list_async_actions(limit=1)
        self._client = client
        self._report = Report(None if report_path is None else report_path / FOLDER)
        self._report.check_writable()
        self._report.clear()
        self.result = DryRunResult()
        self.findings = Findings()
        self.findings.watch(source.options)
        self.rules = find_rules(source, config)

    def count(self, number: int, sent: int, rejected: Sequence[Outcome], superseded: Sequence[Outcome]) -> None:
        """
        Count some orders, and write those that would not be sent.

        :param number: The number of the file for them.
        :param sent: How many orders would be sent.
        :param rejected: Those that would be rejected.
        :param superseded: Those that would give way to another one with their ``source_id``.
        """
        self._report.write("rejected", number, rejected)
        self._report.write("superseded", number, superseded)
        result = self.result
        result.orders += sent + len(rejected) + len(superseded)
        result.rejected += len(rejected) + len(superseded)
        result.superseded += len(superseded)
        result.reasons += [str(outcome) for outcome in rejected[: MAX_FAILURES - len(result.reasons)]]

    def finish(self, api_calls: int, max_rejected: float, cycle_calls_left: int | None) -> DryRunResult:
        """
        Write the summary.

        :param api_calls: The calls that the job would make.
        :param max_rejected: How many orders may be rejected: a share of all when below 1, otherwise a number.
        :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
        :raises DryRunFailedError: if the job needs more calls, or more orders would be rejected.
        """
        result, quota = self.result, self._client.transport.quota
        result.api_calls = api_calls
        if quota.limit is not None:
            calls_per_minute = max(1.0, quota.limit - quota.reserved_calls)
            result.hours = result.api_calls / calls_per_minute / MINUTES_PER_HOUR
        result.findings = self.findings.report()
        self._report.merge()
        self._report.write_summary(msgspec.to_builtins(result))
        log.info("Dry run: %s", result)
        with naming_connection(self._client):
            result.check(max_rejected, cycle_calls_left)
        return result
