"""What can be wrong with an exported file itself, however often it is downloaded."""

from __future__ import annotations

from airflow_provider_voucherify.api.errors import VoucherifyError


class ExportFileError(VoucherifyError):
    """The exported file is not what was asked for: a column is missing, it is no CSV, …"""


class ExportFailedError(VoucherifyError):
    """An export ended in ERROR."""


class RowTooLongError(ExportFileError):
    """A row does not fit into the block of text that is parsed at a time, or cannot be shown at all."""


class BadRowError(ExportFileError):
    """
    A row with a value that is not of the type of its column, or with too few or too many cells.

    :param message: What is wrong, with the value.
    :param file: Which file of the export, from 1.
    :param row: Which row of that file, from 1, its header not counted.
    """

    def __init__(self, message: str, file: int, row: int) -> None:
        super().__init__(message, file, row)
        self.file = file
        self.row = row

    def __str__(self) -> str:
        return str(self.args[0])
