"""Exports of the orders that were imported, with every field and at the bounds of a window."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.api.facts import NOT_TOLD
from airflow_provider_voucherify.api.models import Export
from airflow_provider_voucherify.exceptions import ExperimentError, NotFoundError
from airflow_provider_voucherify.probe.experiments.created import refusal
from airflow_provider_voucherify.probe.guard import MARKER
from airflow_provider_voucherify.probe.lab import AT_ONCE, LATE, Lab

PLAIN_FIELDS = tuple(name for name in ORDER_FIELDS if name != "metadata")
AMOUNT_FIELD = "amount"


def export_orders(lab: Lab) -> None:
    """
    Request three exports, wait for all of them, and read their files.

    :param lab: The project.
    """
    client, session = lab.client, lab.session
    bound = session.note("a created_at")
    ours = {"source_id": {"conditions": {"$is": [session.note("a")]}}, "junction": "and"}
    fields = [*PLAIN_FIELDS, "metadata", f"metadata.{MARKER}"]
    whole = client.create_order_export(fields=fields, filters=ours)
    try:
        client.get_export(whole.id)
    except NotFoundError as error:
        session.found("export_visible", LATE, refusal(error))
    else:
        session.found("export_visible", AT_ONCE, "the first GET found it")
    sent = {"fields", "filters"}
    more = sorted(set(whole.parameters) - sent)
    session.found("export_echo", "rich" if more else "sent", f"not sent, and shown: {more or 'nothing'}")
    bounds = {
        name: client.create_order_export(
            fields=["id"], filters={**ours, "created_at": {"conditions": {condition: [bound]}}}
        )
        for name, condition in (("after_includes_bound", "$after"), ("before_includes_bound", "$before"))
    }
    exports = lab.wait_for_exports([whole.id, *(export.id for export in bounds.values())])
    done = exports[whole.id]
    if any(not export.urls for export in exports.values()):
        raise ExperimentError(f"Exports ended as {sorted(export.status for export in exports.values())}.")
    session.notes["export"] = whole.id
    session.found("export_files", len(done.urls), f"result has {sorted(done.result or {})}")
    _read_columns(lab, _rows(lab, exports, whole.id))
    for question, export in bounds.items():
        rows = _rows(lab, exports, export.id)
        session.found(question, len(rows) > 1, f"{len(rows) - 1} order(s) at the bound {bound}")


def _rows(lab: Lab, exports: Mapping[str, Export], export_id: str) -> list[list[str]]:
    """Read the first file that has an order; all files have a header."""
    urls = exports[export_id].urls
    rows: list[list[str]] = []
    for number, link in enumerate(urls):
        with lab.client.download_export(export_id, file=number, link=link) as download:
            data = download.read()
            plain = gzip.decompress(data) if download.encoding in ("gzip", "x-gzip") else data
        rows = list(csv.reader(io.StringIO(plain.decode(), newline="")))
        if len(rows) > 1:
            break
    return rows


def _read_columns(lab: Lab, rows: list[list[str]]) -> None:
    session = lab.session
    header, order = rows[0], rows[1] if len(rows) > 1 else []
    if not order or len(header) < len(PLAIN_FIELDS):
        for question in ("header_style", "metadata_style", "export_amount"):
            session.found(question, NOT_TOLD, f"{len(rows)} rows of {len(header)} columns")
        return
    headers = dict(zip(PLAIN_FIELDS, header, strict=False))
    session.found("header_style", _header_style(headers), f"{headers}")
    session.found("metadata_style", *_metadata_style(header, order, session.key))
    amount = order[PLAIN_FIELDS.index(AMOUNT_FIELD)]
    sent = {"1000.00": 1000, "2000.00": 2000, "10.00": 1000, "20.00": 2000}.get(amount)
    answer = (
        "1000" if amount.isdigit() else ("1000.00" if amount.startswith(str(sent)) else "10.00") if sent else amount
    )
    session.found("export_amount", answer, f"{amount!r}")


def _header_style(headers: Mapping[str, str]) -> str:
    if headers["source_id"] == "source_id":
        return "field"
    by_label = {"Creation Date": "label", "Created At": "display"}
    return by_label.get(headers["created_at"], "another")


def _metadata_style(header: list[str], order: list[str], key: str) -> tuple[str, str]:
    """Find the marker of the order: among the columns, and in a cell that is a JSON object."""
    as_json = [name for name, cell in zip(header, order, strict=False) if _json_of(cell).get(MARKER) == key]
    # those of other orders' metadata are the shop's, and are not named
    columns = sorted({name for name, cell in zip(header, order, strict=False) if cell == key})
    evidence = f"JSON in {as_json or 'no column'}, the key {MARKER} in {columns or 'no column'}"
    if as_json and MARKER not in columns:
        return "json", evidence
    if MARKER in columns:
        return "bare" if not as_json else "json", evidence
    return ("columns" if columns else NOT_TOLD), evidence


def _json_of(cell: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return {}
    return document if isinstance(document, dict) else {}
