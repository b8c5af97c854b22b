"""The options of a reconciliation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike, fspath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from airflow_provider_voucherify.core.options import PollingOptions
from airflow_provider_voucherify.core.validation import did_you_mean
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export import ExportRequest
from airflow_provider_voucherify.order_export.kinds import METADATA, METADATA_PREFIX, METADATA_X, is_metadata_key
from airflow_provider_voucherify.order_export.window import WindowField

OnExtra = Literal["ignore", "report"]
KeptDuplicate = Literal["first", "last"]

COMPARABLE = ("status", "amount", "discount_amount", "customer_id", "referrer_id", METADATA)
EXPORTED = ("id", "source_id", "created_at", "updated_at", "status", "amount")  # whatever is compared


class ReconcileConfig(PollingOptions, frozen=True, kw_only=True):
    """
    The options of a reconciliation.

    :param compare: The fields to compare: ``status``, ``amount``, ``discount_amount``, ``customer_id``,
        ``referrer_id``, ``metadata`` for all of its keys, and ``metadata.X`` for one of them. By default all of them.
        Values that the source does not give are not compared: an import leaves them as they are. Nor is
        ``created_at``, which becomes the time of the import (documented). An ``amount`` that is not given is that of
        the items, if each has one. Of a customer or referrer given by ``source_id``, which no export has, it is
        compared alone that there is one (``not_compared`` counts these).
    :param on_duplicate: Which of the orders that repeat a ``source_id`` is compared: ``first``, as an import with
        ``on_duplicate`` ``error`` or ``first`` does, or ``last``.
    :param window_field: The time that the window is of: ``updated_at``, or ``created_at`` for an order without one; or
        ``created_at`` for all.
    :param window_start: The first moment of the window in which the orders of the source were created or updated at
        Voucherify, in ISO 8601 with an offset. All orders without a window. An order that changed after the window is
        not exported, and is reported as missing.
    :param window_end: The first moment after the window, in the same format; not in the future.
    :param items_sample: How many orders to read one by one, chosen at random, to compare their line items, which no
        export has (documented). Each takes a call.
    :param max_calls: The largest number of API calls: the sample is made smaller to stay within it.
    :param max_missing: How many orders may be missing without an error: a share of all when below 1, otherwise a
        number. 0 by default.
    :param max_different: How many orders may be different without an error, counted in the same way.
    :param max_unchecked: How many orders may be without a ``source_id``, so that they cannot be found, or at Voucherify
        and invalid in the source, so that they cannot be compared; counted in the same way.
    :param on_extra: ``report`` writes the orders that the source does not have to ``extra/``; ``ignore`` counts them.
    :param header_mapping: The fields of headers in the exported file that do not match by themselves:
        ``{"Date created": "created_at"}``.
    :param spill_path: A local folder for temporary files, of about the size of the source and the export together. By
        default that of the system.
    """

    compare: Sequence[str] | None = None
    on_duplicate: KeptDuplicate = "first"
    window_field: WindowField = "updated_at"
    window_start: str | datetime | None = None
    window_end: str | datetime | None = None
    items_sample: Annotated[int, Meta(ge=0)] = 200
    max_calls: Annotated[int, Meta(ge=1)] = 1000
    max_missing: Annotated[float, Meta(ge=0)] = 0
    max_different: Annotated[float, Meta(ge=0)] = 0
    max_unchecked: Annotated[float, Meta(ge=0)] = 0
    on_extra: OnExtra = "ignore"
    header_mapping: Mapping[str, str] | None = None
    spill_path: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spill_path is not None:
            msgspec.structs.force_setattr(self, "spill_path", fspath(self.spill_path))  # to be encoded
        check_compare(self.compare)

    @property
    def fields(self) -> list[str]:
        """The fields to compare, apart from metadata."""
        return [name for name in self._compared if name != METADATA and not is_metadata_key(name)]

    @property
    def metadata_keys(self) -> list[str] | None:
        """The keys of the metadata to compare; None for all that the source gives."""
        if METADATA in self._compared:
            return None
        return [name.removeprefix(METADATA_PREFIX) for name in self._compared if is_metadata_key(name)]

    @property
    def request(self) -> ExportRequest:
        """
        The export to compare with.

        :raises ConfigurationError: if the window is not one.
        """
        keys = self.metadata_keys
        metadata = [METADATA] if keys is None else [f"{METADATA_PREFIX}{key}" for key in keys]
        return ExportRequest(
            fields=list(dict.fromkeys([*EXPORTED, *self.fields, *metadata])),
            window_field=self.window_field,
            window_start=self.window_start,
            window_end=self.window_end,
        )

    @property
    def _compared(self) -> Sequence[str]:
        return COMPARABLE if self.compare is None else self.compare


def check_compare(compare: object) -> None:
    """
    Check the fields to compare.

    :param compare: The option.
    :raises ConfigurationError: naming the field that cannot be compared, and those that can.
    """
    if compare is None:
        return
    names = list(compare) if isinstance(compare, list | tuple) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"compare must be a list of at least one field, got {compare!r:.80}.")
    allowed = (*COMPARABLE, METADATA_X)
    for name in names:
        if name not in COMPARABLE and not is_metadata_key(name):
            raise ConfigurationError(
                f"compare: {name!r} is not a field that both a source and an export have{did_you_mean(name, allowed)} "
                f"Allowed: {', '.join(allowed)}."
            )
