"""The page of an import for people."""

from __future__ import annotations

from airflow_provider_voucherify.api.quota import Quota
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.order_import.checkpoint import ImportState
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.chunk_log import read_chunks
from airflow_provider_voucherify.reporting.html_report import AmountSums, html_report
from airflow_provider_voucherify.reporting.summary import ImportSummary


def report_page(
    summary: ImportSummary, state: ImportState, about: About, quota: Quota, report_path: StoragePath
) -> str:
    """
    Render the report of an import.

    :param summary: Its summary.
    :param state: What it counted and observed.
    :param about: What identifies it.
    :param quota: What is known of the quota.
    :param report_path: The folder with the audit log.
    """
    counters = state.counters
    return html_report(
        summary,
        state.observations,
        about,
        chunks=read_chunks(report_path),
        money=AmountSums(counters.amount_given, counters.amount_loaded),
        quota=_said(quota),
    )


def _said(quota: Quota) -> str:
    if quota.limit is None:  # no response named it, or a retry that had nothing left to send asked for none
        return ""
    left = "" if quota.remaining is None else f" {quota.remaining:,} were left at the end."
    return (
        f"The quota is {quota.limit:,} calls a period, of which {quota.reserved_calls:,.0f} are left to others.{left}"
    )
