"""Files that appear under their names whole and together, or not at all."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Protocol, Self

from airflow_provider_voucherify.api.errors import ConfigurationError

log = logging.getLogger(__name__)


class OutputPath(Protocol):
    """What is used of ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath``."""

    @property
    def name(self) -> str:
        """The last part."""

    @property
    def parent(self) -> Any:
        """The folder."""

    def with_name(self, name: str) -> Self:
        """Give the path of another file in the same folder."""

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""

    def open(self, mode: str) -> Any:
        """Open it."""

    def rename(self, target: Any) -> Any:
        """Move it over another file of the same file system."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""


@dataclass
class _Staged:
    path: OutputPath
    temporary: OutputPath
    file: IO[bytes] | None = None


class Publication:
    """
    Some files that belong together.

    They are written beside their names, under names that begin with a dot and that no reader of datasets looks at.
    When the ``with`` block ends well, they are moved, which replaces what was there, in the order in which they were
    created; whatever else ends it removes them.

    On object storage, a move is a copy within the store and a removal; the copy appears whole as well.
    """

    def __init__(self) -> None:
        self._staged: list[_Staged] = []
        self._obsolete: list[OutputPath] = []

    def __enter__(self) -> Self:
        return self

    def create(self, path: OutputPath) -> IO[bytes]:
        """
        Open a new file that will be published.

        :param path: Its name. Folders that are missing are made.
        :raises ConfigurationError: if it is a folder.
        """
        check_path(path)
        staged = _Staged(path, path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp"))
        self._staged.append(staged)
        try:
            staged.file = staged.temporary.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.file = staged.temporary.open("wb")
        return staged.file

    def remove(self, path: OutputPath) -> None:
        """
        Remove, once the files are published, what an earlier publication may have left.

        :param path: Its name; nothing happens if it was created in this publication.
        """
        self._obsolete.append(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._publish()
        except BaseException:
            self._discard()
            raise

    def _publish(self) -> None:
        for staged in self._staged:
            if staged.file is not None:
                staged.file.close()
        published = []
        while self._staged:
            self._staged[0].temporary.rename(self._staged[0].path)
            published.append(self._staged.pop(0).path)
        for path in self._obsolete:
            if path not in published:
                path.unlink(missing_ok=True)

    def _discard(self) -> None:
        for staged in self._staged:
            try:
                try:
                    if staged.file is not None:
                        staged.file.close()
                finally:
                    staged.temporary.unlink(missing_ok=True)
            except Exception as error:  # noqa: BLE001 - any store has its own; the error that led here is raised
                log.warning("%s was not discarded cleanly: %s.", staged.temporary, error)


def check_path(path: OutputPath) -> None:
    """
    Check that a file can have a name.

    :param path: The name.
    :raises ConfigurationError: if it is a folder.
    """
    if not path.name or path.is_dir():
        raise ConfigurationError(f"output_path {path} is a folder. Name a file in it, such as orders.parquet.")
