"""The exports that together cover a window, and the rows of each that belong to it. Loads no pyarrow by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_export.kinds import ExportKind
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.window import ExportWindow, iso

if TYPE_CHECKING:
    import pyarrow as pa

# Milliseconds by which more is asked for than a window, by whether $after and $before are known to include their bounds
OVERLAP_MS = {True: 0, False: 1, None: 1000}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExportPart(msgspec.Struct, kw_only=True):
    """
    One of the exports that cover a window, or the only export if there is no window.

    :param window: The time range of this export.
    :param time_fields: The fields that the API filters by. An order without ``updated_at`` is found by ``created_at``
        alone.
    :param overlap_ms: By how many milliseconds more it asks for at both ends of the window.
    :param export_id: The export, once it is known.
    :param sent_at: When it was requested, in seconds since the epoch on Voucherify's clock.
    :param searches: How often it was searched for after its response was lost.
    """

    window: ExportWindow | None = None
    time_fields: tuple[str, ...] = ()
    overlap_ms: int = OVERLAP_MS[None]
    export_id: str | None = None
    sent_at: float | None = None
    searches: int = 0

    def __str__(self) -> str:
        if self.window is None:
            return "everything"
        return f"the rows of {iso(self.window.start)} to {iso(self.window.end)} by {' or '.join(self.time_fields)}"

    def bounds(self, window: ExportWindow) -> tuple[datetime, datetime]:
        """
        Return the bounds that the API is asked for.

        :param window: The window of this export.
        """
        overlap = timedelta(milliseconds=self.overlap_ms)
        return window.start - overlap, window.end + overlap

    def request(self, request: ExportRequest, day_fields: Sequence[str] = ()) -> ExportRequest:
        """
        Make the request of this export: slightly more than its window, and with the times to select the rows by.

        :param request: The request of the whole window.
        :param day_fields: The times that decide about the folder of a row.
        """
        if self.window is None:
            return msgspec.structs.replace(request, fields=_with(request.fields, day_fields))
        columns = request.kind.times
        times = [columns["created_at"], *([columns["updated_at"]] if self.window.field == "updated_at" else ())]
        start, end = self.bounds(self.window)
        span = {"conditions": {"$after": [iso(start)], "$before": [iso(end)]}}
        filters = {**(request.filters or {}), **dict.fromkeys(self.time_fields, span)}
        filters["junction"] = "or" if len(self.time_fields) > 1 else "and"
        return msgspec.structs.replace(
            request,
            fields=_with(request.fields, [*times, *day_fields]),
            filters=filters,
            window_start=None,
            window_end=None,
            window_lookback=None,
        )


def parts_of(request: ExportRequest) -> list[ExportPart]:
    """
    List the exports that cover the window of a request.

    The API joins all conditions with a single ``junction`` (documented). Both times can be asked for at once with
    "or"; filters of the caller, which always have to hold, make that two exports. The parts have no order in common.

    :param request: The request.
    """
    window = request.window
    if window is None:
        return [ExportPart()]
    if window.field == "created_at":
        return [ExportPart(window=window, time_fields=("created_at",))]
    if not set(request.filters or ()) - {"junction"}:
        return [ExportPart(window=window, time_fields=("updated_at", "created_at"))]
    return [ExportPart(window=window, time_fields=(field,)) for field in ("updated_at", "created_at")]


def rows_of(part: ExportPart, table: pa.Table, kind: ExportKind) -> pa.Table:
    """
    Select the rows that belong to a part.

    Two parts have no moment in common, or no order: one that is found by ``updated_at`` has one, one that is found by
    ``created_at`` beside it has none. The window is over, so an order that changes meanwhile moves to a later one. So
    no order can be in two parts, and no ids need to be remembered.

    :param part: The part.
    :param table: Rows with the times that :meth:`ExportPart.request` asks for.
    :param kind: What they are.
    :raises ExportFileError: if a row has no time at all, or one that was not asked for.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if part.window is None:
        return table
    column = kind.times["created_at"]
    times = table[column]
    if part.window.field == "updated_at":
        times = pc.coalesce(table["updated_at"], times)
    if times.null_count:
        raise ExportFileError(
            f"Export {part.export_id} has {times.null_count} rows without {column}: whether they belong to the "
            "window cannot be known. Export them without a window."
        )
    moments = times.cast(pa.int64())
    if column != "created_at":  # that it is the time that the API filters by is guessed
        start, end = map(_milliseconds, part.bounds(part.window))
        asked = pc.and_(pc.greater_equal(moments, start), pc.less_equal(moments, end))
        if not pc.all(asked).as_py() and table.num_rows:
            raise ExportFileError(
                f"Export {part.export_id} has rows whose {column} is outside the window by created_at: whether they "
                "belong to it cannot be known. Export them without a window."
            )
    wanted = pc.and_(
        pc.greater_equal(moments, _milliseconds(part.window.start)), pc.less(moments, _milliseconds(part.window.end))
    )
    if part.window.field == "updated_at" and len(part.time_fields) == 1:
        never_updated = pc.is_null(table["updated_at"])
        wanted = pc.and_(wanted, never_updated if part.time_fields == ("created_at",) else pc.invert(never_updated))
    return table.filter(wanted)


def _with(fields: Sequence[str] | None, more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(fields or ()), *more]))


def _milliseconds(moment: datetime) -> Any:
    from airflow_provider_voucherify.core.arrow import int64_scalar

    return int64_scalar((moment - EPOCH) // timedelta(milliseconds=1))
