"""Where the state of an import is kept between two tries."""

from __future__ import annotations

from typing import Any, Protocol, Self

import msgspec

from airflow_provider_voucherify.api.errors import VoucherifyError
from airflow_provider_voucherify.order_import.state import ImportState

STATE_FILE = "state.json"


class SourceChangedError(VoucherifyError):
    """The orders are not those of the import that was begun."""


class Ledger(Protocol):
    """Keeps one JSON document."""

    def load(self) -> dict[str, Any] | None:
        """Get the document; None where there is none."""

    def save(self, document: dict[str, Any]) -> None:
        """Replace the document. When this returns, it is safe."""

    def clear(self) -> None:
        """Remove the document."""


def open_state(
    ledger: Ledger, fingerprint: str, *, restart: str | None, max_orders: int, max_body_bytes: int
) -> tuple[ImportState, bool]:
    """
    Go on with the import that the ledger knows, or begin one.

    :param ledger: Where the state is kept.
    :param fingerprint: The source of the orders.
    :param restart: Begin anew, whatever the ledger knows, and note this name of the run for it: under the same
        name the next try goes on. None to go on with any run.
    :param max_orders: Orders a chunk; less where Voucherify took less before.
    :param max_body_bytes: Bytes a body, alike.
    :return: The state, and whether it is that of an import that was begun before.
    :raises SourceChangedError: if that import was of another source.
    """
    document = ledger.load()
    state = None if document is None else ImportState.from_json(document)
    if state is None or (restart and (state.restarted_by != restart or state.fingerprint != fingerprint)):
        fresh = ImportState(
            fingerprint=fingerprint, max_orders=max_orders, max_body_bytes=max_body_bytes, restarted_by=restart
        )
        return fresh, False
    if state.fingerprint != fingerprint:
        raise SourceChangedError(
            f"This import was begun with {state.fingerprint!r} and cannot go on with {fingerprint!r}: which orders of "
            f"it are in is not known any more. {state.settled} orders have an outcome, {len(state.in_flight)} chunks "
            "are in flight. Give it the same orders again, or begin anew with restart=True, which sends all of them."
        )
    state.max_orders = min(state.max_orders, max_orders)
    state.max_body_bytes = min(state.max_body_bytes, max_body_bytes)
    return state, True


class NoLedger:
    """Keeps nothing: each try begins anew."""

    def load(self) -> None:
        """There is nothing."""

    def save(self, document: dict[str, Any]) -> None:
        """Forget it."""

    def clear(self) -> None:
        """There is nothing to remove."""


class LedgerPath(Protocol):
    """What is needed of ``pathlib.Path``, ``upath.UPath`` and Airflow's ``ObjectStoragePath``."""

    def __truediv__(self, name: str) -> Self:
        """Name a file in this folder."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make this folder."""

    def read_bytes(self) -> bytes:
        """Read this file."""

    def write_bytes(self, data: bytes) -> Any:
        """Write this file."""

    def rename(self, target: Any) -> Any:
        """Move this file over another."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove this file."""


class FileLedger:
    """
    Keeps the document as ``state.json`` in a folder.

    :param folder: The folder, on any file system.
    """

    def __init__(self, folder: LedgerPath) -> None:
        self._folder = folder
        self._file = folder / STATE_FILE

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
                f"{self._file} is no state of an import ({error}). Remove it, or start afresh with restart=True."
            ) from error
        return document

    def save(self, document: dict[str, Any]) -> None:
        """Write the file beside its name and move it there, so that a kill never leaves half of it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self._folder / f".{STATE_FILE}.tmp"
        beside.write_bytes(msgspec.json.encode(document))
        beside.rename(self._file)

    def clear(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)
