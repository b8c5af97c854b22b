"""What a job could not bring where it belongs, how much of that is tolerated, and what an error says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """
    Orders, rows or records that a job could not bring where they belong.

    :param count: How many they are.
    :param kind: What became of them, in words that can follow the number: ``are missing``.
    :param option: The option that says how many are tolerated.
    :param limit: Its value: a share of the total when below 1, otherwise a number.
    """

    count: int
    kind: str
    option: str
    limit: float

    def is_tolerated(self, total: int) -> bool:
        """
        Return whether so many are tolerated.

        :param total: The number of all orders, rows or records.
        """
        return self.count <= (self.limit if self.limit >= 1 else self.limit * total)

    def __str__(self) -> str:
        return f"{self.count:,} {self.kind} (at most {self.limit:g} tolerated by {self.option})"


def excess(losses: Iterable[Loss], total: int) -> str:
    """
    Name the losses that are not tolerated, as a part of a sentence; return an empty text if all are.

    :param losses: The losses.
    :param total: The number of all orders, rows or records.
    """
    return " and ".join(str(loss) for loss in losses if not loss.is_tolerated(total))


def first_of(reasons: list[str]) -> str:
    """
    End an error with the first losses.

    :param reasons: The orders, each with what is wrong with it.
    """
    return "The first:" + "".join(f"\n  {reason}" for reason in reasons)


def all_and_first(report_path: str | None, repair: str, reasons: list[str]) -> str:
    """
    End an error with where all losses are, how to repair them, and the first of them.

    :param report_path: The folder of the report.
    :param repair: What to do with its files.
    :param reasons: The orders, each with what is wrong with it.
    """
    if report_path is None:
        where = "With a report_path, all of them would be there with their payloads."
    else:
        where = f"All of them, with their payloads, are under {report_path}: {repair}"
    return f"{where} {first_of(reasons)}"
