"""Where the state of a job is kept between two tries."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.exceptions import VoucherifyError

STATE_FILE = "state.json"


class StateStore(Protocol):
    """Keeps one JSON document."""

    def load(self) -> dict[str, Any] | None:
        """Get the document; None where there is none."""

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document. When this returns, it is safe."""

    def clear(self) -> None:
        """Remove the document."""


class NoStateStore:
    """Keeps nothing: each try begins anew."""

    def load(self) -> None:
        """There is nothing."""

    def save(self, document: dict[str, Any]) -> None:
        """Forget it."""

    def clear(self) -> None:
        """There is nothing to remove."""


class FileStateStore:
    """
    Keeps the document as a file in a folder.

    :param folder: The folder, on any file system.
    :param name: The name of the file.
    """

    def __init__(self, folder: StoragePath, name: str = STATE_FILE) -> None:
        self._folder = folder
        self._name = name
        self._file = folder / name

    def load(self) -> dict[str, Any] | None:
        """
        Read the file.

        :raises VoucherifyError: if it cannot be read.
        """
        try:
            document: dict[str, Any] = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise VoucherifyError(
                f"{self._file} is no state of a job ({error}). Remove it, or start afresh with restart=True."
            ) from error
        return document

    def save(self, document: dict[str, Any]) -> None:
        """Write the file beside its name and move it there, so that a kill never leaves half of it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self._folder / f".{self._name}.tmp"
        beside.write_bytes(msgspec.json.encode(document))
        beside.rename(self._file)

    def clear(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)


class ResumedStateStore:
    """
    Falls back to a document that was held elsewhere, such as by a trigger, while the store has none.

    :param state_store: The store.
    :param document: The document.
    """

    def __init__(self, state_store: StateStore, document: dict[str, Any]) -> None:
        self._state_store = state_store
        self._document = document

    def load(self) -> dict[str, Any]:
        """Return the document of the store, or else the one that was held elsewhere."""
        return self._state_store.load() or self._document

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document of the store."""
        self._document = document
        self._state_store.save(document)

    def clear(self) -> None:
        """Remove the document of the store."""
        self._state_store.clear()
