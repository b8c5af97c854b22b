"""Find out from the report of an import in which requests an order went, and what became of it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.reporting.chunk_log import ChunkLine, read_chunks
from airflow_provider_voucherify.reporting.reject_files import KINDS, RejectLine, read_line


class FindsPositions(Protocol):
    """A source of orders, as ``open_source`` returns it."""

    def position_of(self, source_id: str) -> str | None:
        """Return the position of the first order with a ``source_id``; None if there is none."""


class OrderTrace(msgspec.Struct, kw_only=True):
    """
    What the report of an import says of an order.

    :param position: Its position in the source.
    :param outcome: ``loaded``, ``rejected``, ``unknown`` or ``superseded``.
    :param chunks: The requests that it went in, the last one last; none if it was not sent.
    :param line: Its line in the reject files; None if it was loaded.
    """

    position: str
    outcome: str
    chunks: list[ChunkLine] = []
    line: RejectLine | None = None


def find_order(
    report_path: StoragePath,
    *,
    source_id: str | None = None,
    position: str | None = None,
    source: FindsPositions | None = None,
) -> OrderTrace | None:
    """
    Find out in which requests an order of an import went, and what became of it.

    The audit log knows positions alone: an order that was loaded is found by its ``source_id`` in the source.

    :param report_path: The folder of the report.
    :param source_id: The ``source_id`` of the order. Orders without a line in the reject files need ``source``, too.
    :param position: Or its position: ``orders.jsonl:7``.
    :param source: The orders of the import, as ``open_source`` returns them.
    :return: What is known; None if the report does not have the order.
    :raises ValueError: if neither ``source_id`` nor ``position`` is given, or both are.
    """
    if (source_id is None) == (position is None):
        raise ValueError("Give either source_id or position.")
    kind, line = _find_line(report_path, source_id, position)
    if position is None:
        position = line.position if line else source.position_of(source_id or "") if source else None
        if position is None:
            return None
    chunks = [chunk for chunk in read_chunks(report_path) if chunk.has(position)]
    if line is not None:
        return OrderTrace(position=position, outcome=kind, chunks=chunks, line=line)
    if not chunks:
        return None
    outcome = "unknown" if chunks[-1].unknown == chunks[-1].orders else "loaded"
    return OrderTrace(position=position, outcome=outcome, chunks=chunks)


def _find_line(report_path: StoragePath, source_id: str | None, position: str | None) -> tuple[str, RejectLine | None]:
    for kind in KINDS:
        for part in (report_path / kind).glob("part-*.jsonl"):
            for body in part.read_bytes().splitlines():
                line = read_line(body)
                if line is not None and (line.position == position or (source_id and line.source_id == source_id)):
                    return kind, line
    return "", None
