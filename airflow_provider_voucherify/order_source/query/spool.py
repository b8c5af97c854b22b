"""Write the rows of a query to compressed files once, durably, so that everything after reads the same rows."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from typing import Any, BinaryIO, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_voucherify.core.storage import StoragePath, check_writable, local_path, write_durably
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.files import File

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
PREFIX = re.compile("part-[0-9a-f]{8}")
PART_NAME = re.compile(rf"{PREFIX.pattern}-\d+\.parquet")
PART_BYTES = 256 << 20
ROW_GROUP_BYTES = 8 << 20  # in memory, before compression
ROW_GROUP_ROWS = 32_000

DocumentT = TypeVar("DocumentT")


class Part(msgspec.Struct, frozen=True):
    """
    A file with some of the rows.

    :param name: Its name in the folder.
    :param rows: How many rows it has.
    :param size: Its size in bytes.
    """

    name: str
    rows: int
    size: int


class SpoolManifest(msgspec.Struct, frozen=True):
    """
    What a whole spool consists of. Without it, or with the manifest of another query, there is none.

    :param fingerprint: The query and the run that it was written for.
    :param parts: Its files, in the order of the rows.
    """

    fingerprint: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(part.rows for part in self.parts)


class _Unfinished(msgspec.Struct, frozen=True):
    """What the files of a spool that is being written are called."""

    prefix: str


class Spool:
    """
    The rows of a query as Parquet files in a folder.

    A spool is whole or it is not there: its manifest is written last, after all files are on the disk. What another
    run or a killed try has left in the folder is removed, and nothing that no spool has written.

    :param folder: The folder.
    :param fingerprint: The query and the run; a spool of another one is replaced.
    """

    def __init__(self, folder: StoragePath, fingerprint: str) -> None:
        self.folder = folder
        self._fingerprint = fingerprint

    def load(self) -> SpoolManifest | None:
        """Return what the spool consists of; None if it is not there, or not whole."""
        manifest = self._manifest()
        if manifest is None or manifest.fingerprint != self._fingerprint:
            return None
        return manifest if self._has(manifest.parts) else None

    def files(self, manifest: SpoolManifest) -> list[File]:
        """
        List the files to read.

        :param manifest: What the spool consists of.
        """
        return [File(self.folder / part.name, "query", part.size, "parquet") for part in manifest.parts]

    def write(self, batches: Iterable[pa.RecordBatch]) -> SpoolManifest:
        """
        Write a spool.

        :param batches: The rows; at least one batch, which may be empty. The types of the columns may differ between
            batches: each file has its own.
        :return: What it consists of.
        :raises ConfigurationError: if the folder cannot be written.
        """
        check_writable(self.folder, "spool_path")
        self._clean_up()
        prefix = f"part-{secrets.token_hex(4)}"
        write_durably(self.folder / UNFINISHED, msgspec.json.encode(_Unfinished(prefix)))
        writer = _PartWriter(self.folder, prefix)
        try:
            for batch in batches:
                writer.write(batch)
            return self._publish(writer.finish())
        except BaseException:
            writer.discard()
            raise

    def _publish(self, parts: tuple[Part, ...]) -> SpoolManifest:
        if self.load() is not None or not self._has(parts):
            raise ConfigurationError(
                f"Another try wrote to {self.folder} at the same time. Give every task a spool_path of its own; a "
                "retry of this task uses what is there."
            )
        replaced = self._manifest()
        manifest = SpoolManifest(self._fingerprint, parts)
        write_durably(self.folder / MANIFEST, msgspec.json.encode(manifest))  # with the entries of the parts
        for part in replaced.parts if replaced is not None else ():
            if PART_NAME.fullmatch(part.name):
                (self.folder / part.name).unlink(missing_ok=True)
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        return manifest

    def _clean_up(self) -> None:
        """Remove what a try that was killed has left."""
        unfinished = _decoded(self.folder / UNFINISHED, _Unfinished)
        if unfinished is not None and PREFIX.fullmatch(unfinished.prefix):
            for path in list(self.folder.glob(f"{unfinished.prefix}-*.parquet")):
                path.unlink(missing_ok=True)

    def _manifest(self) -> SpoolManifest | None:
        return _decoded(self.folder / MANIFEST, SpoolManifest)

    def _has(self, parts: Iterable[Part]) -> bool:
        paths = [(self.folder / part.name, part.size) for part in parts]
        return all(path.exists() and _size(path) == size for path, size in paths)


class _PartWriter:
    """Writes rows to one file after the other, row group by row group."""

    def __init__(self, folder: Any, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self._parts: list[Part] = []
        self._batches: list[pa.RecordBatch] = []
        self._file: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is not None and self._writer.schema != batch.schema:
            self._close_part()
        if self._writer is None:
            self._file = self._path.open("wb")
            self._writer = pq.ParquetWriter(self._file, batch.schema, compression="zstd")
        self._batches.append(batch)
        rows, size = sum(map(len, self._batches)), sum(batch.nbytes for batch in self._batches)
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            self._flush()
            if self._file is not None and self._file.tell() >= PART_BYTES:
                self._close_part()

    def finish(self) -> tuple[Part, ...]:
        if self._writer is not None:
            self._close_part()
        return tuple(self._parts)

    def discard(self) -> None:
        """Remove what was written, as far as that is possible: an error that follows is not to hide the first."""
        for opened in (self._writer, self._file):
            with contextlib.suppress(Exception):
                if opened is not None:
                    opened.close()
        for name in {part.name for part in self._parts} | {self._name}:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return f"{self._prefix}-{len(self._parts):05}.parquet"

    @property
    def _path(self) -> Any:
        return self._folder / self._name

    def _flush(self) -> None:
        if self._writer is not None and self._batches:
            table = pa.Table.from_batches(self._batches)
            self._writer.write_table(table, row_group_size=len(table) or None)
            self._rows += len(table)
        self._batches = []

    def _close_part(self) -> None:
        self._flush()
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        size = self._file.tell()
        _sync(self._file, self._path)
        self._file.close()
        self._parts.append(Part(self._name, self._rows, size))
        self._file = self._writer = None
        self._rows = 0


def _size(path: Any) -> int:
    return int(path.stat().st_size)


def _sync(file: Any, path: Any) -> None:
    file.flush()
    if local_path(path) is not None:
        os.fsync(file.fileno())


def _decoded(path: Any, kind: type[DocumentT]) -> DocumentT | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
