"""Export orders from Voucherify to Parquet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_voucherify.operators._export import ExportOperator
from airflow_provider_voucherify.order_export import ExportConfig, ExportRequest
from airflow_provider_voucherify.task.parameters import AnyPath, takes_options
from airflow_provider_voucherify.task.window import RunWindow


class OrdersExportOperator(ExportOperator):
    """
    Exports orders to typed Parquet files.

    The files are written beside their final names and moved there when all of them are complete: nobody ever sees a
    part of one. Amounts are int64, times timestamp[ms, UTC], the status is a dictionary, everything else strings; an
    export without orders is a file with all columns and no rows. A manifest beside them has rows, bytes, checksums,
    schema, window and export ids; it is removed before the first file is replaced and written again after the last.

    The result is ``{"path", "uri", "rows", "bytes", "export_id", "export_ids", "files", "parquet_files",
    "manifest_path", "window", "unknown_columns", "empty_fields", "new_metadata_keys", "bad_rows", "bad_rows_path",
    "bad_row_ids"}``. Assets among the ``outlets`` of the task get rows, path, window and bad rows in the ``extra`` of
    their events.

    ``fields`` and ``filters`` may be templates that render to JSON, and ``filters`` a ``.json`` file beside the DAG.

    :param output_path: The Parquet file, on any file system that Airflow's ``ObjectStoragePath`` knows:
        ``s3://aws_default@bucket/orders.parquet``; a folder with ``max_rows_per_file`` or ``partition_by``. (templated)
    :param window: ``data_interval`` takes the window from the run: ``window_start`` and ``window_end`` of its
        configuration if somebody triggered it with them, otherwise its data interval, otherwise the ``params`` of the
        DAG of these names. A run without any fails, saying how to give it one.
    :param asset_partitions: Whether the assets among the ``outlets`` get an event for each day of ``partition_by`` that
        has orders, with the day as its partition key (Airflow 3.3). Such events run the DAGs that are scheduled by
        partitions, and no others.
    :param durable: Whether a retry, or the clearing of a failed task, resumes the exports of the last try. The state is
        saved in Airflow's task state store (3.3 and newer) or beside the output; success removes it.
    :param restart: Whether to start over, whatever an earlier run saved; a retry in the same run resumes all the same.
    :param deferrable: Whether to wait in the triggerer, if a wait takes 5 seconds or more. By default as
        ``[operators] default_deferrable`` says.
    :param timeout: Seconds, or a timedelta, for the whole export; 6 hours by default.
    :param voucherify_conn_id: The connection. (templated)
    :raises ConfigurationError: if the API would refuse fields, filters or sort order, or the window is not over.
    :raises ExportFailedError: if an export ends in ERROR and its window cannot be split any more.
    :raises ExportFileError: if the file is not what was requested.
    """

    @takes_options(ExportRequest, ExportConfig, fixed={"exported_object": "order"})
    def __init__(
        self,
        *,
        output_path: AnyPath,
        window: RunWindow | None = None,
        timeout: float | timedelta = timedelta(hours=6),
        **kwargs: Any,
    ) -> None:
        super().__init__(output_path=output_path, window=window, timeout=timeout, **kwargs)
