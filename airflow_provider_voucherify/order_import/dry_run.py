"""What an import would send, cost and take, found out by reading and validating everything."""

from __future__ import annotations

import math

import msgspec

from airflow_provider_voucherify.api.quota import Quota
from airflow_provider_voucherify.core.validation import tolerated
from airflow_provider_voucherify.exceptions import DryRunFailedError
from airflow_provider_voucherify.order_import.checkpoint import KEPT_REASONS
from airflow_provider_voucherify.order_import.chunk import Chunk, chunks
from airflow_provider_voucherify.order_source.schema.side_effects import Rules
from airflow_provider_voucherify.order_source.source import Cursor, Source
from airflow_provider_voucherify.reporting.reject_files import Report

CALLS_A_CHUNK = 2  # one to send it, one for its result
MINUTES_AN_HOUR = 60


class Plan(msgspec.Struct, kw_only=True):
    """
    An import that was not made.

    :param orders: Orders given.
    :param rejected: Orders that would not be sent.
    :param superseded: Of these, those that give way to another order with their ``source_id``, as wanted.
    :param with_customer: Orders with a customer or referrer, who would move through segments.
    :param with_override: Orders with a product or SKU that would override the catalogue.
    :param chunks: Requests.
    :param bytes: Bytes of their bodies.
    :param api_calls: Calls, if nothing goes wrong.
    :param hours: Hours that these calls take at least, at the limit of the project less its reserve; None where
        Voucherify does not tell a limit. The limit counts for a minute here: a sandbox counts by the hour
        (documented, but not told by the headers) and takes 60 times as long.
    :param reasons: The first orders that would not be sent, and why.
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

    def check(self, max_rejected: float, cycle_calls_left: int | None) -> None:
        """
        Tell whether the import could be made.

        :param max_rejected: Orders that may be rejected: a share of all when below 1, else a number.
        :param cycle_calls_left: Calls left in the billing cycle, as the dashboard shows them; None if nobody looked.
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
            f"{self.bytes:,} bytes, cost about {self.api_calls:,} calls{takes}; {self.rejected:,} would be rejected."
        )


def dry_run(
    source: Source,
    rules: Rules,
    quota: Quota,
    report: Report,
    *,
    max_orders: int,
    max_body_bytes: int,
    max_in_flight: int,
) -> Plan:
    """
    Read and validate everything, and send nothing.

    :param source: The orders.
    :param rules: As of the import.
    :param quota: The limit of the project, as the last answer told it.
    :param report: Where the orders that would be rejected are written.
    :param max_orders: As of the import.
    :param max_body_bytes: As of the import.
    :param max_in_flight: As of the import.
    """
    plan = Plan()
    records = source.read(Cursor())
    for number, chunk in enumerate(chunks(records, Cursor(), max_orders, max_body_bytes, rules), start=1):
        report.write("rejected", number, chunk.rejected)
        report.write("superseded", number, chunk.superseded)
        _count(plan, chunk)
    polls = math.ceil(plan.chunks / max(1, max_in_flight // 2))
    plan.api_calls = CALLS_A_CHUNK * plan.chunks + polls + 1
    if quota.limit is not None:
        calls_a_minute = max(1.0, quota.limit - quota.reserved_calls)
        plan.hours = plan.api_calls / calls_a_minute / MINUTES_AN_HOUR
    return plan


def _count(plan: Plan, chunk: Chunk) -> None:
    plan.orders += chunk.records
    plan.rejected += len(chunk.invalid)
    plan.superseded += len(chunk.superseded)
    plan.with_customer += chunk.with_customer
    plan.with_override += chunk.with_override
    if chunk.orders:
        plan.chunks += 1
        plan.bytes += len(chunk.body())
    room = KEPT_REASONS - len(plan.reasons)
    plan.reasons += [str(outcome) for outcome in chunk.rejected[:room]]
