"""
Prove whether an async action imports the chunk whose response was lost.

Other imports of the same project look the same in a listing, and may even have the same number of orders. So likeness
proves nothing: an action is taken for that of a chunk only if its request id is the one of the request, if its failures
name orders of the chunk, or if orders of the chunk can be read back and were written while the action ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import AsyncAction
from airflow_provider_voucherify.exceptions import NotFoundError
from airflow_provider_voucherify.order_import.checkpoint import Submission
from airflow_provider_voucherify.order_import.chunk import Chunk

WRITE_TOLERANCE = timedelta(seconds=5)  # between the times of an order and those of its action


class Proof(Enum):
    """
    Whose an async action is: proved to be ours, proved to be foreign, or open.

    ``READ_BACK`` proves less than ``OURS``: some orders of the chunk are there, and were written while the action ran.
    Another action that ran at that time may have written them, too, and not all of them.
    """

    OURS = "ours"
    READ_BACK = "read back"
    FOREIGN = "foreign"
    OPEN = "open"


def prove(client: Endpoints, action: AsyncAction, submission: Submission, chunk: Chunk) -> Proof:
    """
    Find out whether an async action imports a chunk.

    :param client: The API; up to three calls are made to read orders back.
    :param action: The action, ended, with its result.
    :param submission: The chunk, as it was sent.
    :param chunk: Its orders.
    """
    by_result = prove_by_result(action, submission, chunk)
    return by_result if by_result is not Proof.OPEN else _prove_by_reading(client, action, chunk)


def prove_by_result(action: AsyncAction, submission: Submission, chunk: Chunk) -> Proof:
    """
    Find out whose an async action is from what it says itself.

    :param action: The action, ended, with its result.
    :param submission: The chunk, as it was sent.
    :param chunk: Its orders.
    """
    if submission.request_id and submission.request_id == action.request_id:
        return Proof.OURS  # another id proves nothing: whether responses and actions have the same one is unknown
    if action.done_count is not None and action.done_count + action.failed_count != len(chunk.orders):
        return Proof.FOREIGN
    named = {failure.source_id for failure in action.failures if failure.source_id is not None}
    if named:
        return Proof.OURS if named <= set(chunk.source_ids) else Proof.FOREIGN
    return Proof.OPEN


def _prove_by_reading(client: Endpoints, action: AsyncAction, chunk: Chunk) -> Proof:
    """Read some orders of the chunk: if all went well, they are there, and were written while the action ran."""
    readable = [source_id for source_id in chunk.source_ids if source_id]
    if not readable or action.failed_count or not action.done_count:
        return Proof.OPEN
    proof = Proof.OPEN
    for source_id in dict.fromkeys((readable[0], readable[len(readable) // 2], readable[-1])):
        try:
            order = client.get_order(source_id)
        except NotFoundError:
            return Proof.FOREIGN
        if not _written_during(order, action):
            return Proof.OPEN
        proof = Proof.READ_BACK
    return proof


def _written_during(order: Mapping[str, Any], action: AsyncAction) -> bool:
    written = _moment(order.get("updated_at")) or _moment(order.get("created_at"))
    if written is None or action.created_at is None or action.updated_at is None:
        return False
    return action.created_at - WRITE_TOLERANCE <= written <= action.updated_at + WRITE_TOLERANCE


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
