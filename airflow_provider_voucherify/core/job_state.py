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


class RunState(JobState, kw_only=True):
    """
    How far a job has come that works through a source once in each run.

    :param fingerprint: The source.
    :param run: The run that works on it, or that finished it.
    :param restarted_by: The run that started the job over, if one did.
    :param finished: The summary, once all is done and the report is written.
    """

    fingerprint: str
    run: str | None = None
    restarted_by: str | None = None
    finished: Any = None

    def is_resumed_by(self, fingerprint: str, run: str | None, restart: bool) -> bool:
        """
        Return whether a try continues with this state, or starts a new one.

        A finished job is resumed by another try of the same run, which has nothing left to do; the next run starts a
        new one.

        :param fingerprint: The source of the try.
        :param run: The name of its run; None if it has none, as in a script.
        :param restart: Whether it starts over, whatever was saved by another run.
        """
        if restart and (run is None or self.restarted_by != run or self.fingerprint != fingerprint):
            return False
        return self.finished is None or (run is not None and self.run == run)
