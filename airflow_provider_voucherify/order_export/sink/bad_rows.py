"""What becomes of rows that do not fit their columns: an error, or lines of a file beside the Parquet file."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airflow_provider_voucherify.exceptions import BadRowError
from airflow_provider_voucherify.order_export.convert.rows import BadRow
from airflow_provider_voucherify.order_export.request import OnBadValue
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, OutputPath, Publication


class BadRows:
    """
    The bad rows of one export.

    :param on_bad_value: What becomes of them.
    :param publication: What the side file is published with. If no row is bad, the one of an earlier run is removed.
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
        Take bad rows.

        :param name: How errors call the file of the export.
        :param file: Which one it is, from 1.
        :param rows: Bad rows of it.
        :raises BadRowError: for the first of them, unless there is to be a side file.
        """
        if rows and self._on_bad_value == "fail":
            raise BadRowError(
                f"{name}, row {rows[0].row}: {rows[0].reason}. "
                f"With on_bad_value='side_file' such rows would be put into {self._path}.",
                file,
                rows[0].row,
            )
        for row in rows:
            self._file = self._file or self._publication.create(self._path)
            line = {"file": file, "row": row.row, "reason": row.reason, "record": row.record}
            self._file.write(msgspec.json.encode(line) + b"\n")
        self.count += len(rows)
