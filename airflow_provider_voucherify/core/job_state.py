"""The base of the states that jobs save: one JSON document each, from which another process can resume."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from airflow_provider_voucherify.exceptions import StateError


class JobState(msgspec.Struct, kw_only=True):
    """
    How far a job has come.

    :cvar unreadable: What is wrong with a document that is no state of the job, and what to do; with ``{error}``.
    """

    unreadable: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Encode the state as a JSON document."""
        # not to_builtins: it leaves tuples, which Airflow's task state store does not accept
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """
        Decode a JSON document.

        :param document: What :meth:`to_json` returned.
        :raises StateError: if it is something else.
        """
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise StateError(cls.unreadable.format(error=error)) from error
