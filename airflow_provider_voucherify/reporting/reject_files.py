"""What became of the orders that were not loaded: files for people and for a second try."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath, check_writable

LOGGED_A_CHUNK = 5
KINDS = ("rejected", "unknown", "superseded")
SUMMARY_FILE = "summary.json"
PAGE_FILE = "report.html"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """
    An order that was not loaded, or of which it is unknown whether it was.

    :param position: Where it stands in the source.
    :param source_id: Its ``source_id``, if it has one.
    :param reason: Why it was not loaded, or why its outcome is unknown.
    :param payload: The order as it was given, with the names of the API: ready to be corrected and imported.
    :param superseded: Whether another order with its ``source_id`` was kept instead, as the options ask for: it is
        not sent, and nothing is wrong with it.
    """

    position: str
    source_id: str | None
    reason: str
    payload: bytes = field(repr=False)
    superseded: bool = False

    def __str__(self) -> str:
        source_id = f" (source_id {self.source_id})" if self.source_id else ""
        return f"{self.position}{source_id}: {self.reason}"


class Report:
    """
    Writes the outcome of orders under a folder.

    A file is named by its chunk, so a chunk that is settled twice, because a worker died in between,
    writes the same file again.

    :param path: The folder, on any file system; None writes no files, and the log has to do.
    """

    def __init__(self, path: StoragePath | None) -> None:
        self._path = path

    def write(self, kind: str, number: int, outcomes: Sequence[Outcome]) -> None:
        """
        Write what became of some orders of a chunk.

        :param kind: ``rejected``, ``unknown`` or ``superseded``.
        :param number: The number of the chunk.
        :param outcomes: The orders.
        """
        if not outcomes:
            return
        for outcome in outcomes[:LOGGED_A_CHUNK]:
            log.warning("%s: %s", kind, outcome)
        if len(outcomes) > LOGGED_A_CHUNK:
            log.warning("%s: %d more orders of chunk %d", kind, len(outcomes) - LOGGED_A_CHUNK, number)
        if self._path is not None:
            folder = self._path / kind
            folder.mkdir(parents=True, exist_ok=True)
            lines = b"".join(_line(outcome) for outcome in outcomes)
            (folder / f"part-{number:06}.jsonl").write_bytes(lines)

    def check_writable(self) -> None:
        """
        Try the folder, before anything is sent: when the orders are in, it is too late.

        :raises ConfigurationError: if it cannot be written.
        """
        if self._path is not None:
            check_writable(self._path, "report_path")

    def clear(self) -> None:
        """Remove what an earlier import left: its orders would be taken for those of this one."""
        if self._path is not None:
            for kind in KINDS:
                for part in (self._path / kind).glob("part-*.jsonl"):
                    part.unlink()
            for name in (SUMMARY_FILE, PAGE_FILE):
                (self._path / name).unlink(missing_ok=True)

    def write_summary(self, summary: dict[str, Any], page: str | None = None) -> None:
        """
        Write ``summary.json`` and ``report.html``.

        :param summary: The summary.
        :param page: The page; None to write none.
        """
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            (self._path / SUMMARY_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
            if page is not None:
                (self._path / PAGE_FILE).write_bytes(page.encode())


def _line(outcome: Outcome) -> bytes:
    try:
        msgspec.json.decode(outcome.payload)
        payload: Any = msgspec.Raw(outcome.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        payload = outcome.payload.decode("utf-8", "backslashreplace")
    entry = {
        "position": outcome.position,
        "source_id": outcome.source_id,
        "reason": outcome.reason,
        "payload": payload,
    }
    return msgspec.json.encode(entry) + b"\n"
