"""Names that the API does not know: refused with a guess, left out, or kept in the metadata."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from airflow_provider_voucherify.order_source.options import UnknownFields
from airflow_provider_voucherify.order_source.schema.check import InvalidOrderError, Note
from airflow_provider_voucherify.order_source.schema.field_types import guess

OPTION = "unknown_fields"
CHILD_MARK = "__parentId"  # of bulk exports, whose line items are lines of their own
MAX_SHOWN = 10


class Unknown:
    """
    What becomes of names that the API does not know.

    :param treatment: ``reject``, ``drop`` or ``metadata``.
    """

    def __init__(self, treatment: UnknownFields) -> None:
        self._treatment = treatment

    def treat(
        self, fields: dict[str, Any], unknown: dict[str, Any], path: tuple[str, ...], place: str, notes: list[Note]
    ) -> dict[str, Any]:
        """
        Treat the unknown names of an object.

        :param fields: The fields that the API knows.
        :param unknown: The others.
        :param path: The path of the object in an order, without the indexes of lists.
        :param place: Where the object is, for messages.
        :param notes: Where each name is noted.
        :return: The fields to send.
        :raises InvalidOrderError: if they are to be rejected.
        """
        if self._treatment == "metadata":
            return self._keep(fields, unknown, path, notes)
        verb = "left out" if self._treatment == "drop" else "is not a field of the API"
        notes += [Note(f"{'.'.join((*path, name))!r} {verb}{_question(guess(name, path))}", OPTION) for name in unknown]
        if self._treatment == "drop":
            return fields
        names = [f"{place}.{name}" if place else name for name in unknown]
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        guesses = dict.fromkeys(close for name in unknown if (close := guess(name, path)))
        raise InvalidOrderError(
            f"{', '.join(names[:MAX_SHOWN])}{more} {'is not a field' if len(names) == 1 else 'are not fields'} "
            f"of the API{_question(*list(guesses)[:MAX_SHOWN])} (unknown_fields='reject')"
        )

    def _keep(
        self, fields: dict[str, Any], unknown: dict[str, Any], path: tuple[str, ...], notes: list[Note]
    ) -> dict[str, Any]:
        metadata = fields.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            return fields  # for the check to refuse
        kept = {name: value for name, value in unknown.items() if value is not None}
        for name in kept:
            if metadata is not None and name in metadata:
                raise InvalidOrderError(f"{name} is not a field of the API, and metadata has another {name}")
            notes.append(Note(f"{'.'.join((*path, name))!r} kept in the metadata", OPTION))
        return {**fields, "metadata": {**(metadata or {}), **kept}} if kept else fields

    def refuse_children(self, order: dict[str, Any]) -> None:
        """
        Refuse a line that is a part of an order of another line.

        :param order: The line.
        :raises InvalidOrderError: if it is.
        """
        if CHILD_MARK in order:
            raise InvalidOrderError(
                f"has a {CHILD_MARK}: it is a part of another record, not an order. Put the parts into items first",
                (Note(f"record with {CHILD_MARK}", None),),
            )

    def refuse_unrecognised(self, order: dict[str, Any], known: Container[str]) -> None:
        """
        Refuse a record in which nothing is recognised.

        :param order: The record.
        :param known: The names of the fields of an order.
        :raises InvalidOrderError: if no name in it is one of these.
        """
        if any(name in known for name in order):
            return
        names = ", ".join(list(order)[:MAX_SHOWN])
        lists = [name for name, value in order.items() if isinstance(value, list)]
        advice = f". If {lists[0]} has the orders, give json_path={lists[0]!r}" if lists else ""
        guesses = list(dict.fromkeys(close for name in order if (close := guess(name))))
        raise InvalidOrderError(
            f"has no field of an order{f', but {names}' if names else ''}{_question(*guesses[:MAX_SHOWN])}{advice}",
            (
                Note("record without any field of an order", "column_mapping"),
                *(Note(f"{name!r} is not a field of the API{_question(guess(name))}", OPTION) for name in order),
            ),
        )


def _question(*guesses: str | None) -> str:
    known = [close for close in guesses if close]
    return f"; did you mean {', '.join(known)}?" if known else ""
