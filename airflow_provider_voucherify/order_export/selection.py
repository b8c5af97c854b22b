"""The rows of a part of a window, whatever else its export brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_export.window import Part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows_of(part: Part, table: pa.Table) -> pa.Table:
    """
    Take the rows that belong to a part.

    Parts share no moment, or no order: one that comes by ``updated_at`` has one, one that comes by ``created_at``
    beside it has none. As the window is over, an order that changes meanwhile leaves it for a later one. So no order
    can be in two parts, and no ids need be remembered.

    :param part: The part.
    :param table: Rows with the times that :meth:`Part.request` asked for.
    :raises ExportFileError: if a row has no time at all.
    """
    if part.window is None:
        return table
    times = table["created_at"]
    if part.window.field == "updated_at":
        times = pc.coalesce(table["updated_at"], times)
    if times.null_count:
        raise ExportFileError(
            f"Export {part.export_id} has {times.null_count} orders without created_at: whether they belong to the "
            "window cannot be known. Export them without a window."
        )
    moments = times.cast(pa.int64())
    wanted = pc.and_(
        pc.greater_equal(moments, _milliseconds(part.window.start)), pc.less(moments, _milliseconds(part.window.end))
    )
    if part.window.field == "updated_at" and len(part.by) == 1:
        never_updated = pc.is_null(table["updated_at"])
        wanted = pc.and_(wanted, never_updated if part.by == ("created_at",) else pc.invert(never_updated))
    return table.filter(wanted)


def _milliseconds(moment: datetime) -> pa.Scalar:
    value = (moment - EPOCH) // timedelta(milliseconds=1)
    # not pa.scalar(), which imports pandas
    return pa.Array.from_buffers(pa.int64(), 1, [None, pa.py_buffer(value.to_bytes(8, "little", signed=True))])[0]
