"""The base of the states that jobs save: one JSON document each, from which another process can resume."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Self

import msgspec

from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import StateError

log = logging.getLogger(__name__)


class JobState(msgspec.Struct, kw_only=True):
    """
    How far a job has come.

    :cvar unreadable: What is wrong with a document that is not a state of the job, and what to do; with ``{error}``.
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


class RestartableState(JobState, kw_only=True):
    """
    The state of a job that may start over, as its result can be made again.

    :param fingerprint: Hash of the project and of what the job is asked for.
    :param restarted_by: The run that started over.
    """

    fingerprint: str
    restarted_by: str | None = None

    def or_saved(self, state_store: StateStore, *, run: str | None, restart: bool) -> Self:
        """
        Return the saved state where there is one to resume, otherwise this one.

        :param state_store: Where it is saved. The state of a job that was asked for something else is forgotten.
        :param run: The name of the run; None if it has none, as in a script.
        :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
        :raises StateError: if the saved state cannot be read.
        """
        document = state_store.claim(restart=restart)
        if document is None or (restart and (run is None or document.get("restarted_by") != run)):
            return self
        saved = self.from_json(document)
        if saved.fingerprint == self.fingerprint:
            return saved
        log.info("The request or the project has changed since the last try: starting over.")
        return self
