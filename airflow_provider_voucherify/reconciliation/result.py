"""What a reconciliation found, and whether that is good enough."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import OrdersDifferError
from airflow_provider_voucherify.reconciliation.comparison import Money
from airflow_provider_voucherify.reconciliation.config import ReconcileConfig
from airflow_provider_voucherify.reporting.losses import Loss, all_and_first, excess
from airflow_provider_voucherify.reporting.reject_files import PAGE_FILE

MAX_REASONS = 10


class ReconcileResult(msgspec.Struct, kw_only=True):
    """
    The result of a reconciliation: ``matched + missing + different + unchecked + repeated == orders``.

    :param orders: Orders in the source.
    :param matched: Orders that are at Voucherify as they were given, those changed by design included.
    :param missing: Orders that are not at Voucherify.
    :param different: Orders that are at Voucherify with other values.
    :param extra: Orders at Voucherify, in the window if there is one, that the source does not have.
    :param unchecked: Orders without a ``source_id``, which cannot be found, and orders that are at Voucherify and are
        invalid in the source, so that they cannot be compared.
    :param repeated: Orders that repeat the ``source_id`` of the one that is compared.
    :param by_design: How many orders have another value by design, by field: an ``amount`` that is the sum of the
        items, and metadata outside the schema that are kept as text (documented).
    :param not_compared: How many orders have a value that the source and an export write in different ways, so that
        it is not known whether it is the same, by field: ``customer_id`` and ``referrer_id`` where the source has a
        ``source_id`` alone. That there is one is compared.
    :param items_sampled: How many orders were read to compare their line items.
    :param money: The sums of the amounts by status on both sides.
    :param export_ids: The exports.
    :param api_calls: Calls made.
    :param report_path: Where the files about the orders are.
    :param reasons: The first orders that are missing or different, for the message.
    """

    orders: int = 0
    matched: int = 0
    missing: int = 0
    different: int = 0
    extra: int = 0
    unchecked: int = 0
    repeated: int = 0
    by_design: dict[str, int] = {}
    not_compared: dict[str, int] = {}
    items_sampled: int = 0
    money: list[Money] = []
    export_ids: list[str] = []
    api_calls: int = 0
    report_path: str | None = None
    reasons: list[str] = []

    def __str__(self) -> str:
        report = f" Report: {self.report_path}/{PAGE_FILE}" if self.report_path else ""
        return (
            f"Reconciled {self.orders:,} orders: {self.matched:,} matched, {self.missing:,} missing, "
            f"{self.different:,} different, {self.unchecked:,} unchecked, {self.repeated:,} repeated; "
            f"{self.extra:,} extra at Voucherify ({self.api_calls:,} API calls).{report}"
        )

    def add_reason(self, reason: str) -> None:
        """
        Keep one of the first reasons.

        :param reason: The order, and what is wrong with it.
        """
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(reason)

    def to_xcom(self) -> dict[str, Any]:
        """Return counts, sums, ids and the path: no order goes into XCom."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        del result["reasons"]
        return result

    def check(self, config: ReconcileConfig) -> None:
        """
        Compare what was found with what is tolerated.

        :param config: The options.
        :raises OrdersDifferError: if more orders are missing, different or unchecked.
        """
        losses = (
            Loss(self.missing, "are missing", "max_missing", config.max_missing),
            Loss(self.different, "are different", "max_different", config.max_different),
            Loss(self.unchecked, "cannot be compared", "max_unchecked", config.max_unchecked),
        )
        if over := excess(losses, self.orders):
            repair = (
                "to repair them, give missing/ or different/ as orders_path to an import, with the same options of the "
                "source."
            )
            raise OrdersDifferError(
                f"Of {self.orders:,} orders {over}. {all_and_first(self.report_path, repair, self.reasons)}", self
            )
