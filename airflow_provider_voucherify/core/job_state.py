"""The base of the states that jobs save: one JSON document each, from which another process can resume."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import ProjectChangedError, SourceChangedError, StateError


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

    :cvar job: What the job is called in errors.
    :param fingerprint: The source.
    :param project: The project that it writes to, see :attr:`~airflow_provider_voucherify.api.Settings.project`.
    :param run: The run that works on it, or that finished it.
    :param restarted_by: The run that started the job over, if one did.
    :param finished: The summary, once all is done and the report is written.
    """

    job: ClassVar[str]

    fingerprint: str
    project: str
    run: str | None = None
    restarted_by: str | None = None
    finished: Any = None

    @classmethod
    def load(
        cls, state_store: StateStore, fingerprint: str, project: str, *, run: str | None, restart: bool
    ) -> Self | None:
        """
        Load the state to resume.

        :param state_store: Where it is saved.
        :param fingerprint: The source of the try.
        :param project: The project of its connection.
        :param run: The name of its run; None if it has none, as in a script.
        :param restart: Whether to start over, whatever was saved by another run; the next try of the same run resumes.
        :return: The state; None to start anew.
        :raises SourceChangedError: if the job to resume was of another source.
        :raises ProjectChangedError: if it was of another project.
        :raises StateError: if the saved document is not the state of such a job.
        """
        document = state_store.claim(restart=restart)
        state = None if document is None else cls.from_json(document)
        if state is None or not state.is_resumed_by(fingerprint, project, run, restart):
            return None
        if state.project != project:
            raise ProjectChangedError(
                f"This {cls.job} was started with the project {state.project} and cannot resume with {project}: what "
                "it has sent is not there. Use the connection that it was started with, or start over with "
                "restart=True, which sends all orders."
            )
        if state.finished is None and state.fingerprint != fingerprint:
            raise SourceChangedError(
                f"This {cls.job} was started with {state.fingerprint!r} and cannot resume with {fingerprint!r}: it is "
                "not known any more which of its orders are in. Give it the same orders again, or start over with "
                "restart=True, which sends all of them."
            )
        state.run = run
        return state

    def is_resumed_by(self, fingerprint: str, project: str, run: str | None, restart: bool) -> bool:
        """
        Return whether a try continues with this state, or starts a new one.

        A finished job is resumed by another try of the same run, which has nothing left to do; the next run starts a
        new one.

        :param fingerprint: The source of the try.
        :param project: The project of its connection.
        :param run: The name of its run; None if it has none, as in a script.
        :param restart: Whether it starts over, whatever was saved by another run.
        """
        is_same = self.fingerprint == fingerprint and self.project == project
        if restart and (run is None or self.restarted_by != run or not is_same):
            return False
        return self.finished is None or (run is not None and self.run == run)
