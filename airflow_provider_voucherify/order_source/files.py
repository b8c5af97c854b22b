"""Find files on any file system by path, glob or folder, recognise them again, and open them at any place."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError

Format = Literal["jsonl", "json", "csv", "parquet"]
Compression = Literal["gz", "zst"]

FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst"}
KNOWN = ".jsonl, .ndjson, .json, .csv and .tsv (each also with .gz or .zst), .parquet"

MAGIC_BYTES: dict[bytes, Compression] = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst"}
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"

READ_BYTES = 1 << 20
REQUEST_BYTES = 4 << 20  # that a request to an object storage fetches ahead
SAMPLE_BYTES = 64 << 10
SAMPLES = 32


class File(msgspec.Struct, frozen=True):
    """
    A file with orders.

    :param path: Where it is.
    :param name: Its path from the folder or glob that was given, for messages.
    :param size: Its bytes, as stored.
    :param format: What is in it.
    :param compression: How it is compressed.
    """

    path: Any
    name: str
    size: int
    format: Format
    compression: Compression | None = None

    @property
    def local(self) -> bool:
        """Whether any place of it can be read at no cost."""
        return self._on_disk and self.compression is None

    @property
    def path_columns(self) -> dict[str, str]:
        """Columns that are a part of the path, as Hive and Spark write them: ``shop=de/``."""
        columns = {}
        for part in PurePosixPath(str(self.path)).parts[:-1]:
            name, equals, value = part.partition("=")
            if equals and name and value != HIVE_NULL:
                columns[unquote(name)] = unquote(value)
        return columns

    @property
    def _on_disk(self) -> bool:
        return not hasattr(self.path, "fs")  # universal-pathlib below 0.3 makes a Path of every path

    def open(self, offset: int = 0) -> io.BufferedReader:
        """
        Open it for reading, decompressed.

        :param offset: Bytes to skip, decompressed; of a compressed file they are read all the same.
        :raises ConfigurationError: if it does not exist any more.
        """
        try:
            stored = self.path.open("rb", buffering=READ_BYTES if self._on_disk else REQUEST_BYTES)
        except FileNotFoundError:
            raise ConfigurationError(f"{self.path}: there is no such file.") from None
        if self.compression is None and offset:
            stored.seek(offset)
        file = stored if isinstance(stored, io.BufferedReader) else io.BufferedReader(_Stored(stored), READ_BYTES)
        if self.compression is None:
            return file
        plain: io.BufferedReader = io.BufferedReader(_Decompressed(file, self), READ_BYTES)
        while offset:
            if not (passed := plain.read(min(offset, READ_BYTES))):
                break
            offset -= len(passed)
        return plain

    def sample(self, count: int) -> Iterator[bytes]:
        """Read some parts of it, spread evenly from its start to its end, as stored."""
        last = max(0, self.size - SAMPLE_BYTES)
        for start in sorted({last * index // max(1, count - 1) for index in range(count)}):
            yield self._part(start, min(start + SAMPLE_BYTES, self.size))

    def _part(self, start: int, end: int) -> bytes:
        if start == end:
            return b""
        if self._on_disk:
            with self.path.open("rb") as file:
                file.seek(start)
                return bytes(file.read(end - start))
        return bytes(self.path.fs.cat_file(self.path.path, start=start, end=end))  # one request for just these bytes


class _Raw(io.RawIOBase):
    """
    A file that can be buffered.

    :param source: What it reads from, and closes when it is closed.
    """

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        return self._source.read(size)  # type: ignore[no-any-return]

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


class _Stored(_Raw):
    """A file of a remote file system, which may only behave like a file."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._source.seek(offset, whence)
        return int(self._source.tell())


class _Decompressed(_Raw):
    """The content of a compressed file, with errors that name it."""

    def __init__(self, stored: io.BufferedReader, file: File) -> None:
        super().__init__(stored)
        self._file = file
        self._plain: Any
        if file.compression == "gz":
            self._plain = gzip.GzipFile(fileobj=stored)
        else:
            import pyarrow as pa

            self._plain = pa.CompressedInputStream(pa.PythonFile(stored), "zstd")

    def _next(self, size: int) -> bytes:
        try:
            return self._plain.read(size)  # type: ignore[no-any-return]
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            kind = {"gz": "gzip", "zst": "zstd"}[self._file.compression or ""]
            raise ConfigurationError(
                f"{self._file.name} cannot be decompressed as {kind}: {error}. Is it whole?"
            ) from error


def find_files(paths: Any, file_format: Format | None = None) -> list[File]:
    """
    Find the files with orders.

    :param paths: A path, a glob, or a folder, which is searched through to its last folder; or a list of such.
        In a folder what begins with ``_`` or ``.`` is left out, as ``_SUCCESS`` and ``.crc`` files are.
    :param file_format: What is in them, if their names do not say it.
    :return: In the order of the list, and in that of the names within a folder or glob.
    :raises ConfigurationError: if there are none, or the format of one is not known.
    """
    given: Sequence[Any] = paths if isinstance(paths, list | tuple) else [paths]
    found = [(path, name) for one in given for path, name in _expand(_localised(one))]
    if not found:
        raise ConfigurationError("orders_path is an empty list: there is nothing to import.")
    names = Counter(name for _, name in found)
    return [_file(path, name if names[name] == 1 else str(path), file_format) for path, name in found]


def _localised(path: Any) -> Any:
    if str(path) in ("", "."):
        raise ConfigurationError("orders_path is empty. If it is a template, what it names is not set.")
    if isinstance(path, str):
        return Path(path)
    if getattr(path, "protocol", None) in ("", "file", "local"):
        return Path(path.path)
    if hasattr(path, "fs"):
        path.fs.invalidate_cache()  # of listings: a file may have changed since this process saw it last
    return path


def _expand(path: Any) -> Iterator[tuple[Any, str]]:
    if path.is_file():
        yield path, path.name
        return
    base, pattern = _split_glob(path)
    if pattern:
        matches = base.glob(pattern)
    elif path.is_dir():
        _check_not_named_as_file(path)
        matches = path.glob("**/*")
    else:
        raise ConfigurationError(f"orders_path {path}: {_why_not_a_file(path)}.")
    prefix = str(base).rstrip("/") + "/"
    files = []
    for match in matches:
        name = str(match).removeprefix(prefix)
        if _hidden(name):
            continue
        if match.is_dir():
            if pattern:
                _check_not_named_as_file(match)
            continue
        files.append((name, match))
    if not files:
        what = "no file matches" if pattern else "there are no files in the folder"
        raise ConfigurationError(f"orders_path {path}: {what}.")
    for name, match in sorted(files):
        if not match.is_file():
            raise ConfigurationError(f"orders_path {match}: {_why_not_a_file(match)}.")
        yield match, name


def _check_not_named_as_file(path: Any) -> None:
    if any(suffix.lower() in FORMATS for suffix in PurePosixPath(path.name).suffixes):
        raise ConfigurationError(
            f"orders_path {path}: it is a folder, though its name is that of a file. Give {path}/* to read what is in "
            "it."
        )


def _why_not_a_file(path: Any) -> str:
    """Explain why a path is not a file that can be read more than once."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, TypeError):
        relative = isinstance(path, Path) and not path.is_absolute()
        return "there is no such file or folder" + (
            f" in {Path.cwd()}, where a relative path begins" if relative else ""
        )
    if stat.S_ISLNK(mode):
        return f"it is a link to {str(Path(path).readlink())!r}, where there is no file"
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "not a file")
    return f"it is {kind}, and orders are read more than once; write them to a file first"


def _split_glob(path: Any) -> tuple[Any, str]:
    pattern: list[str] = []
    while any(sign in str(path) for sign in "*?[") and path.parent != path:
        pattern.insert(0, path.name)
        path = path.parent
    return path, "/".join(pattern)


def _hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in PurePosixPath(name).parts)


def _file(path: Any, name: str, file_format: Format | None) -> File:
    pure = PurePosixPath(name.lower())
    named = COMPRESSIONS.get(pure.suffix)
    plain = pure.with_suffix("") if named else pure
    known = file_format or FORMATS.get(plain.suffix)
    if known is None:
        raise ConfigurationError(
            f"{path}: its name does not say what is in it. Known are {KNOWN}; otherwise give file_format."
        )
    if known == "parquet" and named:
        raise ConfigurationError(f"{path}: a Parquet file is compressed inside; give it without {pure.suffix}.")
    size = int(path.stat().st_size)
    return File(path, name, size, known, None if known == "parquet" else _compression(path, size, named))


def _compression(path: Any, size: int, named: Compression | None) -> Compression | None:
    """Recognise a compression by the first bytes, whatever the name says: tools rename and unpack files."""
    if not size:
        return named
    with path.open("rb") as file:
        first = file.read(4)
    return next((kind for magic, kind in MAGIC_BYTES.items() if first.startswith(magic)), None)


def check_apart(report_path: Any, paths: Any) -> None:
    """
    Check that a report would not be written over orders that are read, nor read as orders.

    :param report_path: The folder of the report.
    :param paths: Where orders are read: a path, a glob or a folder, or a list of these.
    :raises ConfigurationError: if one of them lies in the other, however they are spelled.
    """
    report = _location(report_path)
    for one in paths if isinstance(paths, list | tuple) else [paths]:
        base, pattern = _split_glob(_localised(one)) if not _exists(one) else (one, "**")
        orders = _location(base)
        inner = PurePosixPath(report).parts[len(PurePosixPath(orders).parts) :]
        report_in_orders = report == orders or (
            report.startswith(orders.rstrip("/") + "/") and _matches_inside(pattern.split("/"), inner)
        )
        if report_in_orders or orders.startswith(report.rstrip("/") + "/"):
            raise ConfigurationError(
                f"report_path {report_path} and orders_path {one} contain one another, and an import removes what an "
                "earlier one reported. Give it another report_path."
            )


def _matches_inside(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Return whether a glob can match files in a folder below the one that it starts from."""
    return "**" in pattern or (len(folder) < len(pattern) and all(map(fnmatchcase, folder, pattern)))


def _exists(path: Any) -> bool:
    path = _localised(path)
    return bool(path.exists())


def _location(path: Any) -> str:
    """Write a path in the one way that all its spellings have in common."""
    if str(path).startswith("file:"):
        path = urlsplit(str(path)).path
    local = _localised(path)
    if isinstance(local, Path):
        return os.path.realpath(os.path.normpath(str(local)))
    protocol, _, rest = str(local).partition("://")
    bucket, _, key = rest.rpartition("@")[2].partition("/")
    return f"{protocol}://{bucket}/{os.path.normpath(key) if key else ''}".rstrip("/")


def fingerprint(files: Sequence[File], options: bytes = b"") -> str:
    """
    Hash names, sizes and samples of the content of files, to recognise them again.

    The time of change does not count, so a file that was copied is the same. Of many files 32 samples in all are
    read, which is 32 requests to an object storage.

    :param options: What changes the orders besides, as bytes.
    """
    digest = hashlib.sha256(options)
    for file in files:
        digest.update(f"{file.name}\0{file.size}\n".encode())
    step = max(1, -(-len(files) * 2 // SAMPLES))
    chosen = sorted({*range(0, len(files), step), len(files) - 1})
    for index in chosen:
        for part in files[index].sample(max(2, SAMPLES // len(files))):
            digest.update(part)
    total = sum(file.size for file in files)
    return f"{files[0].name}:{len(files)}:{total}:{digest.hexdigest()[:16]}"
