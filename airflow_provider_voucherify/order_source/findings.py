"""Findings about the orders of a source: what was left out, renamed, converted or guessed, or looks wrong."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from airflow_provider_voucherify.order_source.options import SourceOptions
from airflow_provider_voucherify.order_source.schema.check import MALFORMED, Note, encode
from airflow_provider_voucherify.order_source.schema.order import Traits

MAX_FINDINGS = 100  # that are kept apart: the state of a job is small
MAX_CHARACTERS = 120
OTHERS = Note("further findings", None)
EMPTY_ROW = Note("empty row left out", "null_values")

TRAITS = {
    Traits.NO_ITEMS: Note("order without items", "column_mapping"),
    Traits.NO_CUSTOMER: Note("order without customer", "column_mapping"),
    Traits.AMOUNT_MISMATCH: Note("order with an amount that is not the sum of its items", "amount_mismatch"),
}

_decode = msgspec.json.Decoder().decode

log = logging.getLogger(__name__)


class Finding(msgspec.Struct):
    """
    One kind of finding.

    :param finding: What was found.
    :param count: How often.
    :param example: The position of the first one.
    :param option: The option of the source that decides it; None if no option does.
    """

    finding: str
    count: int
    example: str
    option: str | None = None

    def __str__(self) -> str:
        decided = "" if self.option is None else f", decided by {self.option}"
        return f"{self.count:,} times: {self.finding} (first at {self.example}{decided})"


class Findings(msgspec.Struct):
    """
    Findings about the orders of one source, counted once however often the orders are read.

    It is a value to save with the state of a job: a record that was counted before is not counted again.

    :param through: How many records of the source are counted.
    :param noted: What was noted, by finding.
    :param counted: Orders by what is missing in them or does not fit, by finding.
    :param unfilled: Paths that a mapping or option fills, and that no order has had up to now, with the finding.
    """

    through: int = 0
    noted: dict[str, Finding] = {}
    counted: dict[str, Finding] = {}
    unfilled: dict[str, tuple[str, str]] | None = None

    def watch(self, options: SourceOptions) -> None:
        """
        Watch whether what the options map is ever filled.

        :param options: The options of the source.
        """
        if self.unfilled is not None:
            return
        self.unfilled = {
            path: (f"column {name!r}, mapped to {path}, is never filled", "column_mapping")
            for name, path in (options.column_mapping or {}).items()
            if path is not None and path != "created_at"
        }
        if (key := options.order_date_metadata_key) is not None:
            self.unfilled[f"metadata.{key}"] = ("no order has a created_at to keep", "order_date_metadata_key")

    def note(self, note: Note, position: str, count: int = 1) -> None:
        """
        Count a finding.

        :param note: What was found.
        :param position: Where.
        :param count: How often.
        """
        if len(note.finding) > MAX_CHARACTERS:  # names come from whoever wrote the orders
            note = Note(f"{note.finding[: MAX_CHARACTERS - 3]}...", note.option)
        found = self.noted.get(note.finding)
        if found is None and len(self.noted) >= MAX_FINDINGS:
            note = OTHERS
            found = self.noted.get(note.finding)
        if found is None:
            self.noted[note.finding] = Finding(note.finding, count, position, note.option)
        else:
            found.count += count

    def count(self, traits: int, position: str, count: int = 1) -> None:
        """
        Count orders by their traits.

        :param traits: Their traits, as bits of :class:`Traits`.
        :param position: Where the first of them is.
        :param count: How many orders have these traits.
        """
        for trait, note in TRAITS.items():
            if traits & trait:
                found = self.counted.get(note.finding)
                if found is None:
                    self.counted[note.finding] = Finding(note.finding, count, position, note.option)
                else:
                    found.count += count

    def see(self, body: bytes) -> None:
        """
        Note which of the watched paths an order fills.

        :param body: The order as it is sent.
        """
        if not any(encode(path.rpartition(".")[2]) in body for path in self.unfilled or ()):
            return
        try:
            order = _decode(body)
        except MALFORMED:
            return
        self.unfilled = {path: found for path, found in (self.unfilled or {}).items() if not _filled(order, path)}

    def table(self) -> list[Finding]:
        """List all findings."""
        counted = [self.counted[note.finding] for note in TRAITS.values() if note.finding in self.counted]
        found = [*self.noted.values(), *counted]
        if self.through:
            for finding, option in (self.unfilled or {}).values():
                found.append(Finding(finding, self.through, "all records", option))
        return found

    def report(self) -> list[dict[str, Any]]:
        """Log all findings, and list them as plain values for a report."""
        found = self.table()
        if found:
            log.warning("Findings about the orders:%s", "".join(f"\n  {finding}" for finding in found))
        return [msgspec.to_builtins(finding) for finding in found]


def _filled(value: Any, path: str) -> bool:
    if isinstance(value, list):
        return any(_filled(entry, path) for entry in value)
    if not isinstance(value, dict):
        return False
    if path in value:
        return value[path] is not None
    name, _, rest = path.partition(".")
    return bool(rest) and _filled(value.get(name), rest)
