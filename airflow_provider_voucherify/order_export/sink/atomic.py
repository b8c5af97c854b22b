"""Publish files: they appear under their names complete and together, or not at all."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Protocol, Self

from airflow_provider_voucherify.core.locks import folder_lock
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.sink.journal import Journal, sweep, temporary_name

log = logging.getLogger(__name__)


class OutputPath(StoragePath, Protocol):
    """The methods used of ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath``."""

    @property
    def name(self) -> str:
        """The last part."""

    @property
    def parent(self) -> Any:
        """The folder."""

    def with_name(self, name: str) -> Self:
        """Return the path of another file in the same folder."""

    def iterdir(self) -> Iterable[Self]:
        """List the files in this folder."""

    def stat(self) -> Any:
        """Return size and times."""

    def is_dir(self) -> bool:
        """Return whether it is a folder."""

    def is_file(self) -> bool:
        """Return whether it is a file."""

    def open(self, mode: str) -> Any:
        """Open it."""


class HashedFile:
    """
    A file that is written from its beginning to its end, with its size and checksum.

    :param file: The file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed

    @property
    def checksum(self) -> str:
        """SHA-256 of all that was written."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Nothing is read before the file is closed."""

    def close(self) -> None:
        """Close the file."""
        if not self._file.closed:
            self._file.close()


@dataclass
class _Staged:
    path: OutputPath
    temporary: OutputPath
    file: HashedFile | None = None


class Publication:
    """
    Publish some files together.

    They are written under temporary names, which begin with a dot. When the ``with`` block ends without an error, they
    are moved, in the order in which they were created, and replace what was there; an error removes them.

    On object storage, a move is a copy within the store and a removal; the copy appears complete as well. No store
    moves many files at once, so there is a last one, the manifest: it is removed before the first file is moved, and
    written again when all are in place. While it exists, the files are those that it names.

    A journal names the files while they are moved, so that a publication after one that was killed knows what that one
    left. Two publications with one journal are fenced: on a local file system the second waits for the first; on
    object storage the first stops at its next step, which it checks by reading the journal back.

    :param journal: The journal.
    :param folder: The folder of the files, to which the names in the journal are relative; by default that of the
        journal.
    :param staging: The folder of the temporary files; by default they are beside their final names.
    :param earlier_files: Lists the files of an earlier publication, which are removed unless they are replaced.
    """

    def __init__(
        self,
        journal: OutputPath | None = None,
        earlier_files: Callable[[], Iterable[OutputPath]] = tuple,
        *,
        folder: Any = None,
        staging: Any = None,
    ) -> None:
        self._journal = None if journal is None else Journal(journal, folder)
        self._staging = staging
        self._earlier_files = earlier_files
        self._staged: list[_Staged] = []
        self._obsolete: list[OutputPath] = []
        self._manifest: OutputPath | None = None

    def __enter__(self) -> Self:
        return self

    def create(self, path: OutputPath) -> HashedFile:
        """
        Open a new file that will be published.

        :param path: Its name. Folders that are missing are made.
        :raises ConfigurationError: if it is a folder.
        """
        check_path(path)
        name = temporary_name(path.name)
        staged = _Staged(path, path.with_name(name) if self._staging is None else self._staging / name)
        self._staged.append(staged)
        try:
            staged.file = HashedFile(staged.temporary.open("wb"))
        except FileNotFoundError:
            staged.temporary.parent.mkdir(parents=True, exist_ok=True)
            staged.file = HashedFile(staged.temporary.open("wb"))
        return staged.file

    def create_manifest(self, path: OutputPath) -> HashedFile:
        """
        Open the file whose existence states that all others are complete. Create it last.

        :param path: Its name.
        """
        self._manifest = path
        return self.create(path)

    def publish_now(self, path: OutputPath) -> None:
        """
        Publish one of the files before the others, whatever becomes of them.

        :param path: Its name.
        """
        (staged,) = (staged for staged in self._staged if staged.path is path)
        if staged.file is not None:
            staged.file.close()
        _move(staged)
        self._staged.remove(staged)

    def remove(self, path: OutputPath) -> None:
        """
        Remove a file of an earlier publication, once the new files are published.

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
        if not self._staged:
            self._remove_obsolete(set())
            return
        last = self._staged[-1].path
        with folder_lock(last.parent):
            self._obsolete.extend(self._earlier_files())
            paths = [staged.path for staged in self._staged]
            if self._journal is not None:
                self._journal.open([*paths, *self._obsolete])
            if self._manifest is not None:
                self._manifest.unlink(missing_ok=True)
            self._move({str(path) for path in paths})
            if self._journal is not None:
                self._journal.close()
            folders = [path.parent for path in paths] if self._staging is None else [self._staging]
            for folder in {str(folder): folder for folder in folders}.values():
                sweep(folder)

    def _move(self, published: set[str]) -> None:
        while self._staged:
            if self._staged[0].path is self._manifest:
                self._remove_obsolete(published)
            self._check_owner()
            _move(self._staged[0])
            self._staged.pop(0)
        self._remove_obsolete(published)

    def _remove_obsolete(self, published: set[str]) -> None:
        for path in self._obsolete:
            if str(path) not in published:
                self._check_owner()
                path.unlink(missing_ok=True)
        self._obsolete = []

    def _check_owner(self) -> None:
        if self._journal is not None:
            self._journal.check()

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


def _move(staged: _Staged) -> None:
    try:
        staged.temporary.rename(staged.path)
    except FileNotFoundError:
        staged.path.parent.mkdir(parents=True, exist_ok=True)
        staged.temporary.rename(staged.path)


def check_path(path: OutputPath) -> None:
    """
    Check that a file can have a name.

    :param path: The name.
    :raises ConfigurationError: if it is a folder.
    """
    if not path.name or path.is_dir():
        raise ConfigurationError(f"output_path {path} is a folder. Name a file in it, such as orders.parquet.")
