"""What is not as expected in the files of an export: columns, keys of the metadata, and fields without a value."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_voucherify.order_export.kinds import METADATA, is_metadata_key
from airflow_provider_voucherify.order_export.request import ExportRequest
from airflow_provider_voucherify.order_export.sink.layout import Output

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


class Unexpected:
    """
    Gathers what is not as expected, for the log, the manifest and the result.

    :param request: The columns that were requested.
    """

    def __init__(self, request: ExportRequest) -> None:
        self.unknown_columns: dict[str, None] = {}
        self.metadata_keys: set[str] = set()
        self._has_metadata = METADATA in (request.fields or ())
        self._unseen = {field for field in request.fields or () if is_metadata_key(field)}
        self._rows = 0

    @property
    def sorted_keys(self) -> list[str] | None:
        """The keys of the metadata; None if it was not requested."""
        return sorted(self.metadata_keys) if self._has_metadata else None

    @property
    def empty_fields(self) -> list[str]:
        """The fields ``metadata.X`` that are null in every row; none if there are no rows."""
        return sorted(self._unseen) if self._rows else []

    def add_rows(self, table: pa.Table) -> None:
        """
        Find values of the fields that had none so far.

        :param table: Rows of the export.
        """
        self._rows += table.num_rows
        self._unseen -= {field for field in self._unseen if table[field].null_count < table.num_rows}

    def new_keys(self, output: Output) -> list[str]:
        """
        List the keys of the metadata that the last manifest does not have; none if there is no manifest.

        :param output: Where the last export was published.
        """
        last = output.last_metadata_keys() if self._has_metadata else None
        new = [] if last is None else sorted(self.metadata_keys.difference(last))
        if new:
            log.warning("The metadata has keys that the last export had not: %s.", ", ".join(new))
        return new

    def warn(self, name: str) -> None:
        """
        Warn of columns and fields in the log.

        :param name: The name of the exported file.
        """
        if self.unknown_columns:
            log.warning(
                "%s has columns that were not requested: %s. These %d are left out.",
                name,
                ", ".join(self.unknown_columns),
                len(self.unknown_columns),
            )
        if self.empty_fields:
            log.warning("%s: %s is null in every row. Is the key misspelled?", name, ", ".join(self.empty_fields))
