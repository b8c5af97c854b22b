"""
Keep the state of a job between two tries, for one writer at a time.

:meth:`StateStore.claim` makes the caller the owner of the state. Whoever owned it before stops with a
:class:`~airflow_provider_voucherify.exceptions.FencedError` at its next :meth:`~StateStore.check` or
:meth:`~StateStore.save`. How certain that is, and what a save promises, depends on the store:

- :class:`FileStateStore` on a local file system: owner and state are compared and written under one lock, and both are
  flushed to the disk with their folder (``fsync``). A writer that lost its place changes nothing.
- :class:`FileStateStore` on object storage, on file systems without locks, and Airflow's task state store
  (:class:`~airflow_provider_voucherify.task.state.TaskStateStore`): they offer no compare-and-set, so the owner is read
  before and after each save. A save that was already on its way can still arrive; the owner replaces it with its next
  one, and the writer that lost its place stops before its next request. Durable is what the store confirmed.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

import msgspec

from airflow_provider_voucherify.core.locks import folder_lock
from airflow_provider_voucherify.core.storage import StoragePath, write_durably
from airflow_provider_voucherify.exceptions import FencedError, StateError

STATE_FILE = "state.json"
CONSEQUENCE = (
    "Only the state says what was sent: starting over sends all of it again, and creates orders without a source_id a "
    "second time. Restore it; or find out what was sent, and start over with restart=True."
)

log = logging.getLogger(__name__)


class StateStore(Protocol):
    """Keeps one JSON document for one owner."""

    def claim(self, *, restart: bool = False) -> dict[str, Any] | None:
        """
        Become the owner, and read the document. The owner before stops at its next check.

        :param restart: Whether a document that is missing or cannot be read counts as none, because the job starts over
            anyway.
        :return: The document; None if there is none.
        :raises StateError: if the document is missing or cannot be read.
        """

    def load(self) -> dict[str, Any] | None:
        """Read the document without becoming its owner; None if there is none."""

    def check(self) -> None:
        """
        Check that this writer is still the owner. Each :meth:`save` does it, too: save right before each request that
        changes something.

        :raises FencedError: if it is not, naming the other one.
        """

    def save(self, document: dict[str, Any]) -> None:
        """
        Replace the document, durably. A writer that has not claimed it yet does so first.

        :raises FencedError: if another writer has claimed it, naming that one.
        """

    def clear(self) -> None:
        """
        Remove the document and its owner.

        :raises FencedError: if another writer has claimed it, naming that one.
        """


class NoStateStore:
    """Keeps nothing: each try starts over."""

    def claim(self, *, restart: bool = False) -> dict[str, Any] | None:
        """Return None: there is no document."""
        return None

    def load(self) -> dict[str, Any] | None:
        """Return None: there is no document."""
        return None

    def check(self) -> None:
        """Do nothing: no other process shares a state with this one."""

    def save(self, document: dict[str, Any]) -> None:
        """Discard the document."""

    def clear(self) -> None:
        """Do nothing: there is nothing to remove."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """
    The owner of a state.

    :param name: The try of a task, or the process.
    :param epoch: How often the owner has changed.
    :param claimed_at: When it was claimed, in seconds since the epoch of Unix.
    :param saved: Whether a state was saved, so that its absence means a loss.
    """

    name: str
    epoch: int
    claimed_at: float
    saved: bool = False


class FencedStateStore(ABC):
    """
    The base of the state stores that keep something: two documents, the state and its owner.

    :param name: The name of the state in the store.
    :param owner_name: The name of its owner in the store.
    :param place: What errors call the state.
    :param owner: The name of this writer. Writers of one name share their claim, as the processes of one try of a task
        do that follow each other when it is deferred. By default a name that no other store has.
    """

    def __init__(self, name: str, owner_name: str, place: str, owner: str | None) -> None:
        self._name = name
        self._owner_name = owner_name
        self._place = place
        self._writer = owner or f"{process_name()} ({secrets.token_hex(4)})"
        self._owner: Owner | None = None

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[bool]:
        """Keep other processes out, if the store can; return whether it does."""

    @abstractmethod
    def _read(self, name: str) -> dict[str, Any] | None:
        """
        Read a document; None if there is none.

        :raises StateError: if it cannot be read.
        """

    @abstractmethod
    def _write(self, name: str, document: dict[str, Any]) -> None:
        """Replace a document, durably."""

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Remove a document, if there is one."""

    def claim(self, *, restart: bool = False) -> dict[str, Any] | None:
        """Become the owner, and read the document."""
        with self._exclusive() as is_exclusive:
            try:
                before = self._read_owner()
                document = self._read(self._name)
                if document is None and before is not None and before.saved:
                    raise StateError(f"{self._place} is missing, though {before.name} saved it. {CONSEQUENCE}")
            except StateError as error:
                if not restart:
                    raise
                log.warning("Starting over (restart=True). %s", error)
                before, document = None, None
            if before is not None and before.name == self._writer:
                self._owner = before
                return document
            self._owner = Owner(
                name=self._writer,
                epoch=1 if before is None else before.epoch + 1,
                claimed_at=time.time(),
                saved=before is not None and before.saved,
            )
            self._write_owner()
            if not is_exclusive:
                self._check()
                document = self._read(self._name)  # a save that was on its way may have arrived
        return document

    def load(self) -> dict[str, Any] | None:
        """Read the document without becoming its owner; None if there is none."""
        return self._read(self._name)

    def check(self) -> None:
        """Check that this writer is still the owner."""
        with self._exclusive():
            self._check()

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document, durably."""
        if self._owner is None:
            self.claim()
        with self._exclusive() as is_exclusive:
            owner = self._check()
            self._write(self._name, document)
            if not owner.saved:
                self._owner = msgspec.structs.replace(owner, saved=True)
                self._write_owner()
            if not is_exclusive:
                self._check()

    def clear(self) -> None:
        """Remove the document and its owner."""
        if self._owner is None:
            self.claim(restart=True)
        with self._exclusive():
            self._check()
            # the owner first: a state without an owner is resumed, an owner without its state is an error
            self._remove(self._owner_name)
            self._remove(self._name)
            self._owner = None

    def _check(self) -> Owner:
        current, mine = self._read_owner(), self._owner
        if current is None or mine is None:
            raise FencedError(
                f"{self._place} was removed by another process while {self._writer} was working with it. This one "
                "stops, so that nothing is sent twice."
            )
        if (current.name, current.epoch) != (mine.name, mine.epoch):
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(current.claimed_at))
            raise FencedError(
                f"{self._place} belongs to {current.name} since {since} (epoch {current.epoch}). {mine.name} (epoch "
                f"{mine.epoch}) stops, so that nothing is sent twice: let the other one finish. Runs that work at the "
                "same time need a report_path each."
            )
        return mine

    def _read_owner(self) -> Owner | None:
        document = self._read(self._owner_name)
        try:
            return None if document is None else msgspec.convert(document, Owner)
        except msgspec.ValidationError as error:
            raise StateError(f"The owner of {self._place} cannot be read ({error}). {CONSEQUENCE}") from error

    def _write_owner(self) -> None:
        self._write(self._owner_name, msgspec.structs.asdict(self._owner) if self._owner else {})


class FileStateStore(FencedStateStore):
    """
    Keeps the document as a file in a folder, and its owner in a hidden one.

    :param folder: The folder, on any file system.
    :param name: The name of the file.
    :param owner: The name of this writer, as for :class:`FencedStateStore`.
    """

    def __init__(self, folder: StoragePath, name: str = STATE_FILE, *, owner: str | None = None) -> None:
        super().__init__(name, f".{name}.owner", str(folder / name), owner)
        self._folder = folder

    def _exclusive(self) -> AbstractContextManager[bool]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return folder_lock(self._folder)

    def _read(self, name: str) -> dict[str, Any] | None:
        file = self._folder / name
        try:
            return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StateError(
                f"{file} cannot be read ({error}): it is torn, or somebody changed it. {CONSEQUENCE}"
            ) from error

    def _write(self, name: str, document: dict[str, Any]) -> None:
        write_durably(self._folder / name, msgspec.json.encode(document))

    def _remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class WrappedStateStore:
    """
    The base of the state stores that change what another one does.

    :param state_store: The other store.
    """

    def __init__(self, state_store: StateStore) -> None:
        self._state_store = state_store

    def claim(self, *, restart: bool = False) -> dict[str, Any] | None:
        """Become the owner of the store, and read its document."""
        return self._state_store.claim(restart=restart)

    def load(self) -> dict[str, Any] | None:
        """Read the document of the store."""
        return self._state_store.load()

    def check(self) -> None:
        """Check that this writer is still the owner of the store."""
        self._state_store.check()

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document of the store."""
        self._state_store.save(document)

    def clear(self) -> None:
        """Remove the document of the store."""
        self._state_store.clear()


class ResumedStateStore(WrappedStateStore):
    """
    Falls back to a document that was held elsewhere, such as by a trigger, while the store has none.

    :param state_store: The store.
    :param document: The document.
    """

    def __init__(self, state_store: StateStore, document: dict[str, Any]) -> None:
        super().__init__(state_store)
        self._document = document

    def claim(self, *, restart: bool = False) -> dict[str, Any]:
        """Become the owner of the store; return its document, or else the one that was held elsewhere."""
        return super().claim(restart=restart) or self._document

    def load(self) -> dict[str, Any]:
        """Return the document of the store, or else the one that was held elsewhere."""
        return super().load() or self._document

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document of the store."""
        self._document = document
        super().save(document)


class KeptStateStore(WrappedStateStore):
    """
    Keeps the document of a finished job until its result is recorded, so that a retry does not do the work again.

    A context manager. On exit it removes the document of a finished job, even if the job raised an :class:`Exception`.
    The document stays if the process is being stopped: by a timeout of Airflow, ``SystemExit`` or
    ``KeyboardInterrupt``.

    :param state_store: The store.
    """

    def __init__(self, state_store: StateStore) -> None:
        super().__init__(state_store)
        self._is_finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._is_finished and (kind is None or issubclass(kind, Exception)):
            super().clear()

    def clear(self) -> None:
        """Note that the job has finished: its document is removed on exit."""
        self.check()
        self._is_finished = True


def state_file(folder: StoragePath | None, name: str = STATE_FILE) -> StateStore | None:
    """
    Keep the state in the folder of a report, if there is one.

    :param folder: The folder.
    :param name: The name of the file.
    """
    return None if folder is None else FileStateStore(folder, name)


def process_name() -> str:
    """Return the name of this process for the errors of others."""
    return f"process {os.getpid()} on {socket.gethostname()}"
