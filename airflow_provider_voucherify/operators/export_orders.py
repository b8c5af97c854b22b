"""Orders out of Voucherify, as Parquet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow.providers.common.compat.sdk import ObjectStoragePath, XComArg

from airflow_provider_voucherify.api.errors import QuotaError, VoucherifyError
from airflow_provider_voucherify.api.models import ExportStatus
from airflow_provider_voucherify.api.polling import Poll
from airflow_provider_voucherify.operators.base import WaitingOperator
from airflow_provider_voucherify.order_export.request import ExportRequest, OnBadValue
from airflow_provider_voucherify.triggers.export import ExportTrigger
from airflow_provider_voucherify.triggers.polling import Wake, woken

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ExportFailedError(VoucherifyError):
    """An export ended in ERROR."""


class OrdersExportOperator(WaitingOperator):
    """
    Exports orders and writes them as typed Parquet.

    The file is written beside its final name and takes its place in one move: nobody ever sees a part of it.
    Amounts are int64, times timestamp[ms, UTC], the status a dictionary, everything else strings; an export without
    orders gives a file with all columns and no rows.

    The result is ``{"path", "rows", "bytes", "export_id", "files", "unknown_columns", "bad_rows", "bad_rows_path"}``.

    :param output_path: The Parquet file, on any file system that Airflow's ``ObjectStoragePath`` knows:
        ``s3://aws_default@bucket/orders.parquet``. (templated)
    :param fields: The columns: order fields and ``metadata.X``. All order fields by default. (templated)
    :param filters: Which orders, as the API takes it:
        ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``. (templated)
    :param order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending. (templated)
    :param metadata_schema: Arrow types of ``metadata.X`` columns by key, ``{"row": "int64"}``; strings by default.
    :param on_bad_value: What becomes of a row with a value that is not of its column's type: ``fail``, or
        ``side_file``, a file of JSON lines beside the Parquet file with row, reason and record.
    :param deferrable: Whether to wait in the triggerer. By default as ``[operators] default_deferrable`` says.
    :param poll_interval: Seconds between two looks at most; the first ones come sooner.
    :param timeout: Seconds, or a timedelta, for the wait; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the API would refuse fields, filters or order.
    :raises ExportFailedError: if the export ends in ERROR.
    :raises ExportFileError: if the file is not what was asked for.
    """

    template_fields: Sequence[str] = ("output_path", "fields", "filters", "order", "voucherify_conn_id")
    template_fields_renderers = {"filters": "json"}

    def __init__(
        self,
        *,
        output_path: str,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str | None = None,
        metadata_schema: Mapping[str, str] | None = None,
        on_bad_value: OnBadValue = "fail",
        timeout: float | timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.output_path = output_path
        self.fields = fields
        self.filters = filters
        self.order = order
        self.metadata_schema = metadata_schema
        self.on_bad_value = on_bad_value
        if on_bad_value not in get_args(OnBadValue):
            raise ValueError(f"on_bad_value must be one of {', '.join(get_args(OnBadValue))}, got {on_bad_value!r}.")
        if not _templated([fields, filters, order]):
            self._request()

    def execute(self, context: Context) -> dict[str, Any]:
        """Export the orders."""
        return self._go_on(context, None, time.time() + self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on where the task was deferred."""
        wake, handover = woken(event)
        if handover["try_number"] != context["ti"].try_number:
            return self.execute(context)  # Airflow 3.0 wakes a retry with the event of the try before
        if wake is Wake.TIMEOUT:
            raise self._timed_out(f"export {handover['export_id']}")
        return self._go_on(context, handover["export_id"], handover["deadline"])

    def _go_on(self, context: Context, export_id: str | None, deadline: float) -> dict[str, Any]:
        # pyarrow takes half a second to load: only a task that runs needs it
        from airflow_provider_voucherify.order_export.export import download_to_parquet

        request = self._request()
        while export_id is None:
            try:
                export_id = request.submit(self.hook)
            except QuotaError as refused:
                self.log.info("%s", refused)
                self._wait(context, None, max(1.0, (refused.answer.retry_at or 0.0) - time.time()), deadline)
        context["ti"].xcom_push(key="export_id", value=export_id)
        poll = Poll(self.poll_interval)
        while (export := poll.look(lambda: self.hook.get_export(export_id))) is None or not export.ended:
            self._wait(context, export_id, poll.wait, deadline)
        if export.status == ExportStatus.ERROR:
            raise ExportFailedError(f"Export {export_id} ended in ERROR at Voucherify, which does not say why.")
        result = download_to_parquet(
            self.hook, export_id, request, ObjectStoragePath(self.output_path), on_bad_value=self.on_bad_value
        )
        if result.unknown_columns:
            self.log.warning("Columns that were not asked for are left out: %s.", ", ".join(result.unknown_columns))
        self.log.info("%d orders are in %s (%d bytes).", result.rows, result.path, result.bytes)
        return asdict(result)

    def _wait(self, context: Context, export_id: str | None, seconds: float, deadline: float) -> None:
        if self.deferrable:
            self.defer(
                trigger=ExportTrigger(
                    export_id=export_id,
                    voucherify_conn_id=self.voucherify_conn_id,
                    poll_interval=self.poll_interval,
                    not_before=time.time() + seconds,
                    deadline=deadline,
                    handover={
                        "export_id": export_id,
                        "deadline": deadline,
                        "try_number": context["ti"].try_number,
                    },
                ),
                method_name="execute_complete",
            )
        self._sleep(seconds, deadline, f"export {export_id}")

    def _request(self) -> ExportRequest:
        return ExportRequest(
            fields=self.fields, filters=self.filters, order=self.order, metadata_schema=self.metadata_schema or {}
        )


def _templated(value: Any) -> bool:
    """Tell whether a parameter is known only when the task runs."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(_templated(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_templated(part) for part in value)
    return isinstance(value, XComArg)
