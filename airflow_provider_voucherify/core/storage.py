"""Folders on any file system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self

from airflow_provider_voucherify.exceptions import ConfigurationError

PROBE_FILE = ".writable"


class StoragePath(Protocol):
    """What is needed of ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath``."""

    @property
    def parents(self) -> Sequence[Self]:
        """The folder, the folder of that, and so on."""

    def exists(self) -> bool:
        """Tell whether there is such a file or folder."""

    def __truediv__(self, name: str) -> Self:
        """Name a file in this folder."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make this folder."""

    def glob(self, pattern: str) -> Iterable[Self]:
        """Find files in this folder; none where there is no such folder."""

    def read_bytes(self) -> bytes:
        """Read this file."""

    def write_bytes(self, data: bytes) -> Any:
        """Write this file."""

    def rename(self, target: Any) -> Any:
        """Move this file over another."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove this file."""


def check_writable(folder: StoragePath, parameter: str) -> None:
    """
    Try a folder before there is something to lose.

    :param folder: The folder; it is made if need be, but a bucket never is.
    :param parameter: Which parameter names it.
    :raises ConfigurationError: if it cannot be written.
    """
    probe = folder / PROBE_FILE
    try:
        try:
            probe.write_bytes(b"")
        except OSError:
            # an object store needs no folder, and would make the bucket whose name is misspelt
            if not [folder, *folder.parents][-1].exists():
                raise
            folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"{parameter} {folder} cannot be written: {error}.") from error
