"""Rows that do not fit their columns: an error, or reject lines in a side file beside the Parquet file."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from airflow_provider_voucherify.exceptions import BadRowError
from airflow_provider_voucherify.order_export.config import ExportConfig
from airflow_provider_voucherify.order_export.convert.rows import BadRow
from airflow_provider_voucherify.order_export.sink.atomic import HashedFile, OutputPath, Publication
from airflow_provider_voucherify.reporting.losses import Loss
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode, write_line

SHOWN = 20

log = logging.getLogger(__name__)


class BadRows:
    """
    The bad rows of one export.

    :param config: What becomes of them, and how many are tolerated.
    :param publication: Publishes the side file. If no row is bad, the side file of an earlier run is removed.
    :param path: The side file.
    """

    def __init__(self, config: ExportConfig, publication: Publication, path: OutputPath) -> None:
        self._config = config
        self._publication = publication
        self._path = path
        self._file: HashedFile | None = None
        self._first: BadRowError | None = None
        self.count = 0
        self.ids: list[str] = []
        publication.remove(self._path)

    @property
    def path(self) -> str | None:
        """The side file, if there is one."""
        return str(self._path) if self.count else None

    def add(self, name: str, file: int, rows: Sequence[BadRow]) -> None:
        """
        Write bad rows to the side file, and the first ones to the log.

        :param name: The name of the exported file, for positions and errors.
        :param file: Its number, from 1.
        :param rows: Bad rows of it.
        :raises BadRowError: for the first of them, if none is tolerated and there is no side file.
        """
        for row in rows:
            if self._first is None:
                self._first = BadRowError(f"{name}, {row}.", file, row.row)
            if self._config.fails_at_first_bad_row:
                raise BadRowError(
                    f"{self._first} With on_bad_value='side_file', such rows are written to {self._path}; "
                    "max_bad_rows is how many are tolerated.",
                    file,
                    row.row,
                )
            if self.count < SHOWN:
                log.warning("%s, %s.", name, row)
            if row.id is not None and len(self.ids) < SHOWN:
                self.ids.append(row.id)
            self._write(name, row)
            self.count += 1

    def check(self, rows: int) -> None:
        """
        Check that not too many rows are bad. Otherwise the side file is published alone.

        :param rows: How many rows are good.
        :raises BadRowError: if too many are bad, with the first of them.
        """
        total = rows + self.count
        bad = Loss(self.count, f"of {total:,} rows are bad", "max_bad_rows", self._config.max_bad_rows)
        if self._first is None or bad.is_tolerated(total):
            return
        self._publication.publish_now(self._path)
        raise BadRowError(
            f"{bad}. The first: {self._first} All of them: {self._path}. Nothing else was published.",
            self._first.file,
            self._first.row,
        )

    def _write(self, name: str, row: BadRow) -> None:
        self._file = self._file or self._publication.create(self._path)
        outcome = Outcome(
            position=f"{name}, row {row.row}",
            source_id=row.source_id,
            reason=row.reason,
            payload=msgspec.json.encode(row.record),
            code=OutcomeCode.BAD_VALUE,
        )
        self._file.write(write_line(outcome))
