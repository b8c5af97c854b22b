"""Folders and files on any file system."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from airflow_provider_voucherify.exceptions import ConfigurationError


class StoragePath(Protocol):
    """The methods that ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath`` have in common."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    @property
    def parents(self) -> Sequence[Self]:
        """The folder, the folder of that, and so on."""

    def exists(self) -> bool:
        """Return whether the file or folder exists."""

    def __truediv__(self, name: str) -> Self:
        """Join a name to this folder."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make this folder."""

    def glob(self, pattern: str) -> Iterable[Self]:
        """Find files in this folder; none if the folder does not exist."""

    def read_bytes(self) -> bytes:
        """Read this file."""

    def write_bytes(self, data: bytes) -> Any:
        """Write this file."""

    def rename(self, target: Any) -> Any:
        """Move this file over another."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove this file."""


def local_path(path: Any) -> Path | None:
    """
    Convert a path to one of the operating system.

    :param path: A path of ``pathlib``, ``upath`` or Airflow's ``ObjectStoragePath``.
    :return: None if it is on a file system that the operating system does not mount, such as object storage.
    """
    file_system = getattr(path, "fs", None)
    if file_system is None:
        return path if isinstance(path, Path) else None
    protocols = (file_system.protocol,) if isinstance(file_system.protocol, str) else file_system.protocol
    return Path(path.path) if "file" in protocols else None


def uri_of(path: Any) -> str:
    """
    Name a path for other tools, as ``s3://bucket/orders``: without the Airflow connection that ``ObjectStoragePath``
    has in it.

    :param path: A path of ``pathlib``, ``upath`` or Airflow's ``ObjectStoragePath``.
    """
    parts = urlsplit(str(path))
    return str(path) if "@" not in parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def write_durably(path: StoragePath, data: bytes) -> None:
    """
    Replace a file, so that it has either its old content or the new one, whatever is killed.

    On a local file system, the file and its entry in the folder are on the disk when this returns. Elsewhere it is what
    the store promises for a write and a move that it confirmed.

    :param path: The file. Its folder must exist.
    :param data: Its content.
    """
    folder = next(iter(path.parents))
    temporary = folder / f".{path.name}.tmp"
    local = local_path(temporary)
    if local is None:
        temporary.write_bytes(data)
        temporary.rename(path)
        return
    with local.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    local.replace(local.with_name(path.name))
    _sync(local.parent)


def _sync(folder: Path) -> None:
    """Flush the entries of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(folder: StoragePath, parameter: str) -> None:
    """
    Check that a folder can be written, before there is something to lose.

    On a local file system nothing is written for that. Elsewhere it is a file with a name of its own, as tasks that
    start together check one folder.

    :param folder: The folder. It is made if it is missing, but a bucket never is.
    :param parameter: The name of the parameter that has it, for the error.
    :raises ConfigurationError: if it cannot be written.
    """
    try:
        local = local_path(folder)
        if local is None:
            _write_probe(folder)
        else:
            local.mkdir(parents=True, exist_ok=True)
            if not os.access(local, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(local))
    except OSError as error:
        raise ConfigurationError(f"{parameter} {folder} cannot be written: {error}.") from error


def _write_probe(folder: StoragePath) -> None:
    probe = folder / f".writable-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"")
    except OSError:
        # an object store needs no folder, and would make the bucket whose name is misspelt
        if not [folder, *folder.parents][-1].exists():
            raise
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
    probe.unlink()
