"""The facts as a table for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.probe.questions import QUESTIONS

HEADER = ("Question", "Answer", "Evidence", "We assume")
SHARES = (0.3, 0.15, 0.3)  # of the width; the last column has the rest
GAP = 2


def table(facts: Facts, width: int) -> str:
    """
    Lay out the facts as a table.

    :param facts: The facts.
    :param width: The width of a line, in characters.
    """
    widths = [int(width * share) for share in SHARES]
    widths.append(width - sum(widths))
    rows = [HEADER, tuple("-" * (size - GAP) for size in widths), *_rows(facts)]
    return "\n".join(line for row in rows for line in _lines(row, widths))


def _rows(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    for question in QUESTIONS:
        if question.name in facts.answers:
            answer, evidence = str(facts.answers[question.name]), facts.evidence.get(question.name, "")
        else:
            answer, evidence = "not asked", facts.unanswered.get(question.name, "")
        refuted = " – REFUTED" if question.name in facts.refuted else ""
        yield question.text, answer, evidence, question.assumed + refuted


def _lines(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    cells = [
        textwrap.wrap(cell, max(size - GAP, 1), max_lines=6, placeholder=" …")
        for cell, size in zip(row, widths, strict=True)
    ]
    for number in range(max(map(len, cells))):
        parts = (cell[number] if number < len(cell) else "" for cell in cells)
        yield "".join(part.ljust(size) for part, size in zip(parts, widths, strict=True)).rstrip()
