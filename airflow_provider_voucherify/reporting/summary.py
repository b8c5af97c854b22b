"""What a job that loads orders came to, and whether that is good enough."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from airflow_provider_voucherify.exceptions import OrdersNotLoadedError
from airflow_provider_voucherify.reporting.counts import LoadCounts
from airflow_provider_voucherify.reporting.losses import Loss, all_and_first, excess
from airflow_provider_voucherify.reporting.reject_files import PAGE_FILE


class LoadSummary(LoadCounts, kw_only=True):
    """
    The result of a job that loads orders: ``loaded + rejected + unknown == orders``.

    :param orders: Orders given.
    :param report_path: Where the files about the orders are.
    :param reasons: The first losses, for the message alone.
    :param findings: What was left out, renamed, guessed or looks wrong in the orders: ``finding``, ``count``,
        ``example`` (a position) and ``option``.
    :cvar job: What the job is called.
    :cvar done: What it did, at the beginning of a sentence.
    :cvar operator: The operator that makes it.
    """

    job: ClassVar[str]
    done: ClassVar[str]
    operator: ClassVar[str]

    orders: int
    report_path: str | None = None
    reasons: list[str] = []
    findings: list[dict[str, Any]] = []

    def __str__(self) -> str:
        superseded = f" ({self.superseded:,} of them superseded)" if self.superseded else ""
        report = f" Report: {self.report_path}/{PAGE_FILE}" if self.report_path else ""
        return (
            f"{self.done} {self.orders:,} orders: {self.loaded:,} loaded, {self.rejected:,} rejected{superseded}, "
            f"{self.unknown:,} unknown ({self.api_calls:,} API calls).{report}"
        )

    def to_document(self) -> dict[str, Any]:
        """Return all but the first losses, for ``summary.json``."""
        summary: dict[str, Any] = {"orders": self.orders, **msgspec.to_builtins(self)}
        del summary["reasons"]
        return summary

    def to_xcom(self) -> dict[str, Any]:
        """Return counts, ids and paths, and the number of findings: no order goes into XCom."""
        return {**self.to_document(), "findings": len(self.findings)}

    def check(self, max_rejected: float, max_unknown: float) -> None:
        """
        Compare the losses with what is tolerated.

        :param max_rejected: Orders that may be rejected: a share of all when below 1, else a number.
        :param max_unknown: Orders that may be unknown, alike.
        :raises OrdersNotLoadedError: if there are more.
        """
        losses = (
            Loss(self.rejected - self.superseded, "rejected", "max_rejected", max_rejected),
            Loss(self.unknown, "unknown", "max_unknown", max_unknown),
        )
        if over := excess(losses, self.orders):
            repair = "correct rejected/ and give it back as orders_path, with another report_path."
            raise OrdersNotLoadedError(
                f"Of {self.orders:,} orders {self.loaded:,} were loaded; {over}. "
                f"{all_and_first(self.report_path, repair, self.reasons)}",
                self,
            )


class ImportSummary(LoadSummary, kw_only=True):
    """
    The result of an import.

    :param with_customer: Orders sent with a customer or referrer, who will move through segments.
    :param with_override: Orders sent with a product or SKU that overrides the catalogue.
    :param chunks: Requests that Voucherify took.
    :param async_action_ids: The first 100 actions; all of them where the import was not waited for.
    """

    job: ClassVar[str] = "Import"
    done: ClassVar[str] = "Imported"
    operator: ClassVar[str] = "ImportOrdersOperator"

    with_customer: int = 0
    with_override: int = 0
    chunks: int
    async_action_ids: list[str]


class LoadedOrder(msgspec.Struct, frozen=True):
    """
    An order as it is in.

    :param id: Voucherify's id.
    :param source_id: The id in the shop.
    :param status: Its status.
    """

    id: str
    source_id: str | None = None
    status: str | None = None


class SyncSummary(LoadSummary, kw_only=True):
    """
    The result of a synchronisation.

    :param order_ids: Voucherify's ids of the first 100 orders, as far as they are loaded.
    :param first_order: The first order, if it was sent and is loaded.
    """

    job: ClassVar[str] = "Synchronisation"
    done: ClassVar[str] = "Synchronised"
    operator: ClassVar[str] = "SyncOrdersOperator"

    order_ids: list[str] = []
    first_order: LoadedOrder | None = None
