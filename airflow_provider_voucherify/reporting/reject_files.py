"""
Orders that were not loaded and rows that were not exported: the JSON lines that are written of them, and read back.

Every job writes one format, and :func:`read_line` reads it, so that a corrected reject file can be imported as it is.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.core.storage import StoragePath, check_writable, write_durably

LOGGED_A_CHUNK = 5
LOGGED_OF_A_KIND = 200  # a sync has as many chunks as orders
KINDS = ("rejected", "unknown", "superseded")
SUMMARY_FILE = "summary.json"
PAGE_FILE = "report.html"
MAX_SHOWN_ID = 100
PART_FILE = re.compile(r"part-(\d{6,})\.jsonl")
MERGED_FILE = re.compile(r"part-(\d{6,})-(\d{6,})\.jsonl")
MERGED_BYTES = 8 << 20

log = logging.getLogger(__name__)


class OutcomeCode(StrEnum):
    """
    The kinds of failures, for programs that read reject files. What an API error means is in docs/voucherify-api.md.

    ``INVALID``: the order cannot be sent as it is. ``DUPLICATE``: another order has its ``source_id``. ``SUPERSEDED``:
    another order with its ``source_id`` was kept, as the options ask for. ``REFUSED``: Voucherify refused the request
    that held it alone. ``FAILED``: the result of the async action names it. ``ACTION_FAILED``: the whole async action
    failed. ``AMBIGUOUS``: the result of the async action does not say which orders failed. ``LOST``: the response to
    its request was lost, and no action is proved to be the one that imports it. ``NOT_FOUND``: reading back did not
    find it. ``DIFFERENT``: reading back found other values. ``BAD_VALUE``: an exported row does not fit its columns.
    """

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"
    ACTION_FAILED = "action_failed"
    AMBIGUOUS = "ambiguous"
    LOST = "lost"
    NOT_FOUND = "not_found"
    DIFFERENT = "different"
    BAD_VALUE = "bad_value"


NEVER_SENT = frozenset({OutcomeCode.INVALID, OutcomeCode.DUPLICATE, OutcomeCode.SUPERSEDED})


@dataclass(frozen=True)
class Outcome:
    """
    An order that was not loaded, an order of which it is unknown whether it was, or a row that was not exported.

    :param position: Where it stands in the source, or in the exported file.
    :param source_id: Its ``source_id``, if it has one.
    :param reason: Why it was not loaded or exported, or why its outcome is unknown.
    :param payload: The order as it was given, with the names of the API: ready to be corrected and imported.
    :param superseded: Whether another order with its ``source_id`` was kept instead, as the options ask for: it is
        not sent, and nothing is wrong with it.
    :param code: What kind of failure it is.
    :param retryable: Whether importing it again, unchanged, may succeed.
    """

    position: str
    source_id: str | None
    reason: str
    payload: bytes = field(repr=False)
    superseded: bool = False
    code: OutcomeCode = OutcomeCode.INVALID
    retryable: bool = False

    @property
    def was_sent(self) -> bool:
        """Whether it was in a request."""
        return self.code not in NEVER_SENT

    def __str__(self) -> str:
        source_id = f" (source_id {one_line(self.source_id, MAX_SHOWN_ID)})" if self.source_id else ""
        return f"{one_line(self.position)}{source_id}: {one_line(self.reason)}"


class RejectLine(msgspec.Struct, kw_only=True):
    """
    A line of a reject file.

    :param position: Where the order stood in its source, or the row in the exported file.
    :param source_id: Its ``source_id``, if it has one.
    :param code: What kind of failure it is; empty in a file of an earlier version.
    :param reason: Why it was not loaded or exported.
    :param chunk: The number of the chunk that it belongs to.
    :param async_action_id: The async action that imported the chunk, if it was sent.
    :param attempt: How often the order was sent, this time included; 0 if it was not sent.
    :param retryable: Whether importing it again, unchanged, may succeed.
    :param run_id: The run that wrote the line.
    :param payload: The order as it was given; text where it is not JSON.
    """

    position: str
    source_id: str | None = None
    code: str = ""
    reason: str
    chunk: int | None = None
    async_action_id: str | None = None
    attempt: int = 0
    retryable: bool = False
    run_id: str | None = None
    payload: msgspec.Raw


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the orders of one chunk have in common in their reject lines.

    :param chunk: The number of the chunk.
    :param async_action_id: The async action that imported it, if it was sent.
    :param attempt: How often its orders were sent, this time included; 0 if they were not sent.
    """

    chunk: int | None = None
    async_action_id: str | None = None
    attempt: int = 0


NOT_SUBMITTED = Submitted()

_read_line = msgspec.json.Decoder(RejectLine).decode
_write_line = msgspec.json.Encoder().encode


def write_line(outcome: Outcome, submitted: Submitted = NOT_SUBMITTED, run_id: str | None = None) -> bytes:
    """
    Write an outcome as a line of a reject file.

    :param outcome: The order or row.
    :param submitted: In which chunk and action it was sent.
    :param run_id: The run that writes the line.
    :return: A JSON document, with the newline that ends it.
    """
    line = RejectLine(
        position=outcome.position,
        source_id=outcome.source_id,
        code=outcome.code,
        reason=outcome.reason,
        chunk=submitted.chunk,
        async_action_id=submitted.async_action_id,
        attempt=submitted.attempt,
        retryable=outcome.retryable,
        run_id=run_id,
        payload=payload_of(outcome.payload),
    )
    return _write_line(line) + b"\n"


def payload_of(body: bytes) -> msgspec.Raw:
    """
    Return an order as it can stand in a line: as it was given where that is JSON, else as text.

    :param body: The order as it was given.
    """
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _write_line(body.decode("utf-8", "backslashreplace"))
    # a newline between the tokens of an order that was given over several lines would end the line
    return msgspec.Raw(body.replace(b"\n", b" ").replace(b"\r", b" "))


def read_line(body: bytes) -> RejectLine | None:
    """
    Recognize a line of a reject file.

    :param body: A JSON document.
    :return: The line; None if the document has no position, reason and payload.
    """
    try:
        return _read_line(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Report:
    """
    Writes the outcome of orders under a folder.

    A file is named by its chunk, and written before the state says that the chunk has its outcome. What a worker wrote
    right before it died is removed by :meth:`remove_unsaved`: the outcome of those orders is found once more, perhaps
    another one, in a chunk of another number or size. At the end :meth:`merge` makes few files of them.

    :param path: The folder, on any file system; None writes to the log alone.
    :param run_id: The run, for the lines of the reject files.
    """

    def __init__(self, path: StoragePath | None, run_id: str | None = None) -> None:
        self._path = path
        self._run_id = run_id
        self._logged: Counter[str] = Counter()

    def _log(self, kind: str, number: int, outcomes: Sequence[Outcome]) -> None:
        if self._logged[kind] >= LOGGED_OF_A_KIND:
            return
        shown = outcomes[:LOGGED_A_CHUNK]
        for outcome in shown:
            log.warning("%s: %s", kind, outcome)
        if len(outcomes) > LOGGED_A_CHUNK:
            log.warning("%s: %d more orders of chunk %d", kind, len(outcomes) - LOGGED_A_CHUNK, number)
        self._logged[kind] += len(shown)
        if self._logged[kind] >= LOGGED_OF_A_KIND:
            log.warning("%s: no more of them are named here", kind)

    def write(
        self,
        kind: str,
        number: int,
        outcomes: Sequence[Outcome],
        *,
        async_action_id: str | None = None,
        attempt: int = 0,
        part: int | None = None,
    ) -> None:
        """
        Write the outcome of some orders of a chunk.

        :param kind: ``rejected``, ``unknown`` or ``superseded``.
        :param number: The number of the chunk.
        :param outcomes: The orders.
        :param async_action_id: The async action that imported the chunk, if it was sent.
        :param attempt: How often its orders were sent, this time included; 0 if they were not sent.
        :param part: The number of the file, if it is not that of the chunk.
        """
        if not outcomes:
            return
        self._log(kind, number, outcomes)
        if self._path is not None:
            folder = self._path / kind
            folder.mkdir(parents=True, exist_ok=True)
            submitted = Submitted(chunk=number, async_action_id=async_action_id, attempt=attempt)
            unsent = Submitted(chunk=number)
            lines = b"".join(
                write_line(outcome, submitted if outcome.was_sent else unsent, self._run_id) for outcome in outcomes
            )
            (folder / f"part-{number if part is None else part:06}.jsonl").write_bytes(lines)

    def check_writable(self) -> None:
        """
        Check that the folder can be written, before anything is sent: when the orders are in, it is too late.

        :raises ConfigurationError: if it cannot be written.
        """
        if self._path is not None:
            check_writable(self._path, "report_path")

    def clear(self) -> None:
        """Remove what an earlier job left: its orders would be taken for those of this one."""
        if self._path is not None:
            for kind in KINDS:
                for part in (self._path / kind).glob("part-*.jsonl"):
                    part.unlink()
            for name in (SUMMARY_FILE, PAGE_FILE):
                (self._path / name).unlink(missing_ok=True)

    def remove_unsaved(self, is_saved: Callable[[int], bool]) -> None:
        """
        Remove the files of chunks whose outcome was not saved any more: it will be written again.

        :param is_saved: Returns whether the state has the outcome of the chunk with a number.
        """
        if self._path is not None:
            for kind in KINDS:
                for part in (self._path / kind).glob("part-*.jsonl"):
                    named = PART_FILE.fullmatch(part.name)
                    if named and not is_saved(int(named[1])):
                        part.unlink()

    def merge(self) -> None:
        """
        Put the files of all chunks together, a few megabytes each, when no order is without an outcome any more.

        A merged file is named by its first and last chunk, so that this can be repeated if it was cut off.
        """
        if self._path is not None:
            for kind in KINDS:
                self._merge(self._path / kind)

    def _merge(self, folder: StoragePath) -> None:
        names = sorted(part.name for part in folder.glob("part-*.jsonl"))
        merged = [(int(named[1]), int(named[2])) for name in names if (named := MERGED_FILE.fullmatch(name))]
        singles = sorted((int(named[1]), name) for name in names if (named := PART_FILE.fullmatch(name)))
        batch: list[tuple[int, str]] = []
        lines: list[bytes] = []
        for number, name in singles:
            if any(first <= number <= last for first, last in merged):
                (folder / name).unlink()
                continue
            batch.append((number, name))
            lines.append((folder / name).read_bytes())
            if sum(map(len, lines)) >= MERGED_BYTES:
                _put_together(folder, batch, lines)
                batch, lines = [], []
        _put_together(folder, batch, lines)

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


def _put_together(folder: StoragePath, parts: Sequence[tuple[int, str]], lines: Sequence[bytes]) -> None:
    """Replace several files by one, which is whole before any of them is removed."""
    if len(parts) > 1:
        write_durably(folder / f"part-{parts[0][0]:06}-{parts[-1][0]:06}.jsonl", b"".join(lines))
        for _, name in parts:
            (folder / name).unlink()
