"""Find out what an import would send, cost and take, by reading and checking everything."""

from __future__ import annotations

import logging
import math
from typing import Any

import msgspec

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.core.validation import tolerated
from airflow_provider_voucherify.exceptions import DryRunFailedError
from airflow_provider_voucherify.order_import.chunk import Chunk, chunks
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_source.find_rules import find_rules
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.source import Cursor, Source
from airflow_provider_voucherify.reporting.observations import MAX_FAILURES
from airflow_provider_voucherify.reporting.reject_files import Report

FOLDER = "dry_run"
CALLS_PER_CHUNK = 2  # one to send it, one for its result
MINUTES_PER_HOUR = 60

log = logging.getLogger(__name__)


class DryRunResult(msgspec.Struct, kw_only=True):
    """
    What an import would do.

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
        Check whether the import could be made.

        :param max_rejected: How many orders may be rejected: a share of all when below 1, otherwise a number.
        :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
        :raises DryRunFailedError: if it needs more calls, or more orders would be rejected.
        """
        if cycle_calls_left is not None and self.api_calls > cycle_calls_left:
            raise DryRunFailedError(
                f"This import needs about {self.api_calls:,} calls, and {cycle_calls_left:,} are left in the billing "
                "cycle (cycle_calls_left). Import a part of the orders, wait for the next cycle, or raise the plan."
            )
        if not tolerated(self.rejected - self.superseded, max_rejected, self.orders):
            raise DryRunFailedError(
                f"Of {self.orders:,} orders {self.rejected:,} would be rejected (at most {max_rejected:g} tolerated by "
                "max_rejected). The first:" + "".join(f"\n  {reason}" for reason in self.reasons)
            )

    def __str__(self) -> str:
        takes = "" if self.hours is None else f", and take at least {self.hours:.1f} hours at the limit of this project"
        return (
            f"{self.orders - self.rejected:,} of {self.orders:,} orders would go in {self.chunks:,} requests of "
            f"{self.bytes:,} bytes, cost about {self.api_calls:,} calls{takes}; {self.rejected:,} would be rejected; "
            f"{len(self.findings) or 'no'} findings about the orders."
        )


def dry_run(
    client: Endpoints,
    source: Source,
    config: ImportConfig = ImportConfig(),  # noqa: B008  # frozen
    *,
    report_path: StoragePath | None = None,
    cycle_calls_left: int | None = None,
) -> DryRunResult:
    """
    Read and check everything, and send nothing.

    :param client: The API. One call is made: its response states the limit of the project.
    :param source: The orders.
    :param config: The options of the import.
    :param report_path: The folder of the import's report. The orders that would be rejected, and a summary, are written
        to ``dry_run/`` in it.
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
    :raises DryRunFailedError: if the import needs more calls, or more orders would be rejected than tolerated.
    """
    if report_path is not None:
        source.check_report_path(report_path)
    client.list_async_actions(limit=1)
    report = Report(None if report_path is None else report_path / FOLDER)
    report.check_writable()
    report.clear()
    result = DryRunResult()
    findings = Findings()
    findings.watch(source.options)
    records = source.read(Cursor())
    rules = find_rules(source, config)
    limits = config.chunk_size, config.max_body_bytes
    for number, chunk in enumerate(chunks(records, Cursor(), *limits, rules, findings), start=1):
        report.write("rejected", number, chunk.rejected)
        report.write("superseded", number, chunk.superseded)
        _count(result, chunk)
    polls = math.ceil(result.chunks / max(1, config.max_in_flight // 2))
    result.api_calls = CALLS_PER_CHUNK * result.chunks + polls + 1
    quota = client.transport.quota
    if quota.limit is not None:
        calls_per_minute = max(1.0, quota.limit - quota.reserved_calls)
        result.hours = result.api_calls / calls_per_minute / MINUTES_PER_HOUR
    result.findings = findings.report()
    report.write_summary(msgspec.to_builtins(result))
    log.info("Dry run: %s", result)
    result.check(config.max_rejected, cycle_calls_left)
    return result


def _count(result: DryRunResult, chunk: Chunk) -> None:
    result.orders += chunk.records
    result.rejected += len(chunk.invalid)
    result.superseded += len(chunk.superseded)
    result.with_customer += chunk.with_customer
    result.with_override += chunk.with_override
    if chunk.orders:
        result.chunks += 1
        result.bytes += len(chunk.body())
    result.reasons += [str(outcome) for outcome in chunk.rejected[: MAX_FAILURES - len(result.reasons)]]
