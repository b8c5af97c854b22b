"""The audit log of an import, ``chunks.jsonl``: which orders went in which request and which async action."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath, local_path

LOG_FILE = "chunks.jsonl"
PARTS_FOLDER = ".chunks"
PART_FILE = re.compile(r"part-(\d{6,})(?:-verified)?\.jsonl")


class ChunkLine(msgspec.Struct, kw_only=True):
    """
    A line of ``chunks.jsonl``: a request that Voucherify accepted. ``loaded + rejected + unknown + resent == orders``.

    :param chunk: The number of the chunk, as in the reject files.
    :param async_action_id: The async action that imported it.
    :param request_id: The id of the request, where Voucherify names it.
    :param positions: Its orders in the source: ``orders.jsonl:1-2000``; several ranges are separated by commas.
    :param orders: How many orders were sent.
    :param bytes: The size of the body.
    :param body_hash: The beginning of the SHA-256 of the body, in hexadecimal digits.
    :param attempt: How often its orders were sent, this time included.
    :param sent: When it was sent, on Voucherify's clock.
    :param finished: When the action ended; None if that was not waited for.
    :param processing_time: Milliseconds that the action took.
    :param loaded: Orders that were loaded.
    :param rejected: Orders that were not.
    :param unknown: Orders of which that is unknown.
    :param resent: Orders that were sent again, in a later chunk.
    """

    chunk: int
    async_action_id: str
    request_id: str | None = None
    positions: str
    orders: int
    bytes: int
    body_hash: str
    attempt: int
    sent: datetime
    finished: datetime | None = None
    processing_time: float | None = None
    loaded: int = 0
    rejected: int = 0
    unknown: int = 0
    resent: int = 0

    def has(self, position: str) -> bool:
        """
        Return whether an order was in the chunk.

        :param position: Its position: ``orders.jsonl:7``; that of its first row, if it has several.
        """
        return any(self._covers(*place) for place in _places(position))

    def _covers(self, before: str, line: int, after: str) -> bool:
        ranges = re.finditer(rf"(?:^|, ){re.escape(before)}(\d+)(?:-(\d+))?{re.escape(after)}(?=$|, )", self.positions)
        return any(int(found[1]) <= line <= int(found[2] or found[1]) for found in ranges)


class Counts(msgspec.Struct, kw_only=True):
    """What became of those orders of a chunk that were unknown when its action ended, and are not any more."""

    loaded: int = 0
    rejected: int = 0
    resent: int = 0


class ChunkLog:
    """
    Writes ``chunks.jsonl``: a part for each chunk, put together at the end.

    A part is named by its chunk, so that a chunk that is recorded twice, because a worker died in between, is in the
    log once. Object storage cannot append to a file.

    :param path: The folder of the report; None writes nothing.
    """

    def __init__(self, path: StoragePath | None) -> None:
        self._path = path

    def write(self, line: ChunkLine) -> None:
        """
        Write what became of a chunk.

        :param line: The chunk.
        """
        self._write(f"part-{line.chunk:06}.jsonl", line)

    def write_verified(self, number: int, counts: Counts) -> None:
        """
        Write what became of the orders of a chunk that were read back.

        :param number: The number of the chunk.
        :param counts: Their outcomes.
        """
        self._write(f"part-{number:06}-verified.jsonl", counts)

    def merge(self) -> None:
        """Put all parts together. They stay until :meth:`clear_parts`, so that this can be repeated."""
        if self._path is not None:
            lines = [msgspec.json.encode(line) + b"\n" for line in _merged(self._path)]
            self._path.mkdir(parents=True, exist_ok=True)
            (self._path / LOG_FILE).write_bytes(b"".join(lines))

    def clear(self) -> None:
        """Remove the log of an earlier import."""
        if self._path is not None:
            (self._path / LOG_FILE).unlink(missing_ok=True)
            self.clear_parts()

    def clear_parts(self) -> None:
        """Remove the parts and their folder."""
        self.remove_unsaved(lambda _number: False)
        folder = None if self._path is None else local_path(self._path / PARTS_FOLDER)
        if folder is not None and folder.exists():
            folder.rmdir()

    def remove_unsaved(self, is_saved: Callable[[int], bool]) -> None:
        """
        Remove the parts of chunks whose outcome was not saved any more: it will be written again.

        :param is_saved: Returns whether the state has the outcome of the chunk with a number.
        """
        if self._path is not None:
            for part in _parts(self._path):
                named = PART_FILE.fullmatch(part.name)
                if named and not is_saved(int(named[1])):
                    part.unlink()

    def _write(self, name: str, content: object) -> None:
        if self._path is not None:
            folder = self._path / PARTS_FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(msgspec.json.encode(content))


def read_chunks(report_path: StoragePath) -> Iterator[ChunkLine]:
    """
    Read the audit log of an import, of one that is not finished too.

    :param report_path: The folder of its report.
    :return: The chunks in the order in which they were cut.
    """
    log = report_path / LOG_FILE
    if not log.exists():
        yield from _merged(report_path)
        return
    for line in log.read_bytes().splitlines():
        yield _read_line(line)


def _merged(path: StoragePath) -> Iterator[ChunkLine]:
    line: ChunkLine | None = None
    for part in _parts(path):
        body = part.read_bytes()
        if not part.name.endswith("-verified.jsonl"):
            if line is not None:
                yield line
            line = _read_line(body)
        elif line is not None:
            counts = _read_counts(body)
            line.loaded += counts.loaded
            line.rejected += counts.rejected
            line.resent += counts.resent
            line.unknown -= counts.loaded + counts.rejected + counts.resent
    if line is not None:
        yield line


def _parts(path: StoragePath) -> list[StoragePath]:
    """List the parts, each chunk before what was read back of it."""
    return sorted((path / PARTS_FOLDER).glob("part-*.jsonl"), key=lambda part: _key(part.name))


def _key(name: str) -> tuple[int, str]:
    named = PART_FILE.fullmatch(name)
    return (int(named[1]) if named else 0, name.replace("-verified", "~"))


def _places(position: str) -> list[tuple[str, int, str]]:
    """Split a position into what is before the number of its (first) line, that number, and what is after it."""
    position = position.partition(" (")[0] if position.endswith(")") else position  # where it was in an earlier import
    if rows := re.fullmatch(r"(.*) rows (\d+) to \d+", position, re.DOTALL):
        return [(f"{rows[1]}:", int(rows[2]), ""), (f"{rows[1]} row ", int(rows[2]), "")]
    if entry := re.fullmatch(r"(.*?\[)(\d+)\](?: to .*)?", position, re.DOTALL):
        return [(entry[1], int(entry[2]), "]")]
    line = re.fullmatch(r"(.*(?::| row ))(\d+)", position, re.DOTALL)
    return [(line[1], int(line[2]), "")] if line else []


_read_line = msgspec.json.Decoder(ChunkLine).decode
_read_counts = msgspec.json.Decoder(Counts).decode
