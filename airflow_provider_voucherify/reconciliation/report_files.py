"""The files of a reconciliation: orders that are missing, different, extra or unchecked, as JSON lines."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.reconciliation.comparison import Difference
from airflow_provider_voucherify.reporting.reject_files import PAGE_FILE, SUMMARY_FILE, RejectLine

KINDS = ("missing", "different", "by_design", "extra", "unchecked")
ITEMS_FILE = "part-items.jsonl"
PART_BYTES = 8 << 20


class DifferentLine(RejectLine, kw_only=True):
    """
    A line about an order with other values, which can be imported as it is.

    :param id: The id of the order at Voucherify.
    :param differences: The fields that differ: ``field``, ``given``, ``there`` and ``by_design``.
    """

    id: str | None = None
    differences: list[Difference] = []


def clear(folder: StoragePath) -> None:
    """
    Remove the files of an earlier reconciliation.

    :param folder: The folder of the report.
    """
    for kind in KINDS:
        for part in (folder / kind).glob("part-*.jsonl"):
            part.unlink()
    for name in (SUMMARY_FILE, PAGE_FILE):
        (folder / name).unlink(missing_ok=True)


def write_summary(folder: StoragePath, summary: dict[str, Any], page: str) -> None:
    """
    Write ``summary.json`` and ``report.html``.

    :param folder: The folder of the report.
    :param summary: The summary.
    :param page: The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    (folder / PAGE_FILE).write_bytes(page.encode())


class LineFiles:
    """
    Writes lines of several kinds to a few files each, with at most 8 MiB of each kind in memory.

    :param folder: The folder of the report; None writes nothing.
    """

    def __init__(self, folder: StoragePath | None) -> None:
        self._folder = folder
        self._lines: dict[str, list[bytes]] = {}
        self._bytes: dict[str, int] = {}
        self._parts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            for name in list(self._lines):
                self._flush(name)

    def write(self, kind: str, line: object) -> None:
        """
        Write a line.

        :param kind: One of ``KINDS``.
        :param line: What is encoded as JSON.
        """
        if self._folder is None:
            return
        encoded = msgspec.json.encode(line) + b"\n"
        self._lines.setdefault(kind, []).append(encoded)
        self._bytes[kind] = self._bytes.get(kind, 0) + len(encoded)
        if self._bytes[kind] >= PART_BYTES:
            self._flush(kind)

    def _flush(self, kind: str) -> None:
        lines = self._lines.pop(kind)
        self._bytes[kind] = 0
        self._parts[kind] = number = self._parts.get(kind, 0) + 1
        assert self._folder is not None  # noqa: S101  # else there are no lines
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"part-{number:05}.jsonl").write_bytes(b"".join(lines))


def add_item_line(folder: StoragePath | None, line: DifferentLine) -> None:
    """
    Add an order with other items to ``different/``. A line about the same position is replaced.

    :param folder: The folder of the report; None writes nothing.
    :param line: The line.
    """
    if folder is None:
        return
    file = folder / "different" / ITEMS_FILE
    (folder / "different").mkdir(parents=True, exist_ok=True)
    lines = file.read_bytes().splitlines() if file.exists() else []
    kept = [text for text in lines if msgspec.json.decode(text, type=DifferentLine).position != line.position]
    file.write_bytes(b"".join(text + b"\n" for text in [*kept, msgspec.json.encode(line)]))
