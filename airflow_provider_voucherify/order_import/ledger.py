"""Going on with the import that an earlier try began."""

from __future__ import annotations

from airflow_provider_voucherify.api.errors import VoucherifyError
from airflow_provider_voucherify.ledger import FileLedger, Ledger, NoLedger
from airflow_provider_voucherify.order_import.state import ImportState

__all__ = ["FileLedger", "Ledger", "NoLedger", "SourceChangedError", "open_state"]


class SourceChangedError(VoucherifyError):
    """The orders are not those of the import that was begun."""


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
