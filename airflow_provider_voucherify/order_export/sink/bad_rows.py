"""Rows that do not fit their columns: an error, or reject lines in a side file beside the Parquet file."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airflow_provider_voucherify.exceptions import BadRowError
from airflow_provider_voucherify.order_export.config import OnBadValue
from airflow_provider_voucherify.order_export.convert.rows import BadRow
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, OutputPath, Publication
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode, write_line


class BadRows:
    """
    The bad rows of one export.

    :param on_bad_value: What becomes of them.
    :param publication: Publishes the side file. If no row is bad, the side file of an earlier run is removed.
    :param path: The side file.
    """

    def __init__(self, on_bad_value: OnBadValue, publication: Publication, path: OutputPath) -> None:
        self._on_bad_value = on_bad_value
        self._publication = publication
        self._path = path
        self._file: HashedFile | None = None
        self.count = 0
        publication.remove(self._path)

    @property
    def path(self) -> str | None:
        """The side file, if there is one."""
        return str(self._path) if self.count else None

    def add(self, name: str, file: int, rows: Sequence[BadRow]) -> None:
        """
        Write bad rows to the side file.

        :param name: The name of the exported file, for positions and errors.
        :param file: Its number, from 1.
        :param rows: Bad rows of it.
        :raises BadRowError: for the first of them, unless there is a side file.
        """
        if rows and self._on_bad_value == "fail":
            raise BadRowError(
                f"{name}, row {rows[0].row}: {rows[0].reason}. "
                f"With on_bad_value='side_file', such rows are written to {self._path}.",
                file,
                rows[0].row,
            )
        for row in rows:
            self._file = self._file or self._publication.create(self._path)
            outcome = Outcome(
                position=f"{name}, row {row.row}",
                source_id=row.source_id,
                reason=row.reason,
                payload=msgspec.json.encode(row.record),
                code=OutcomeCode.BAD_VALUE,
            )
            self._file.write(write_line(outcome))
        self.count += len(rows)
