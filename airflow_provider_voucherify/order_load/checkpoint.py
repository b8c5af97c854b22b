"""The saved state of a job that loads orders: one small JSON document, from which another process can resume."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from airflow_provider_voucherify.core.job_state import JobState
from airflow_provider_voucherify.core.state_store import StateStore
from airflow_provider_voucherify.exceptions import ProjectChangedError, SourceChangedError
from airflow_provider_voucherify.order_source.duplicates import FoundDuplicates
from airflow_provider_voucherify.order_source.findings import Findings
from airflow_provider_voucherify.order_source.source import Cursor
from airflow_provider_voucherify.reporting.observations import Observations


class LoadCheckpoint(msgspec.Struct, kw_only=True):
    """
    What a resume needs.

    :param cursor: Where to read on.
    :param next_number: The number of the next chunk, which names its files of outcomes.
    :param duplicates: What the duplicate check found, if that is small enough to be kept here.
    :param findings: What was found out about the orders read up to now, each record counted once.
    """

    cursor: Cursor = Cursor()
    next_number: int = 1
    duplicates: FoundDuplicates | None = None
    findings: Findings = msgspec.field(default_factory=Findings)

    def take_number(self) -> int:
        """Number a chunk."""
        number = self.next_number
        self.next_number += 1
        return number

    def has_outcome(self, number: int) -> bool:
        """
        Return whether the outcome of a chunk is in the counters.

        :param number: The number of the chunk.
        """
        return number < self.next_number

    def of_finished(self) -> Self:
        """Return what is kept of it when the job has finished."""
        return type(self)()


class LoadState(JobState, kw_only=True):
    """
    The document that is saved.

    :cvar job: What the job is called in messages.
    :param fingerprint: The source.
    :param project: The project that it writes to, see :attr:`~airflow_provider_voucherify.api.Settings.project`.
    :param run: The run that works on it, or that finished it.
    :param restarted_by: The run that started the job over, if one did.
    :param finished: The summary, once all is done and the report is written.
    :param checkpoint: What a resume needs.
    :param counters: Counts.
    :param observations: What the report shows.
    """

    job: ClassVar[str]

    fingerprint: str
    project: str
    run: str | None = None
    restarted_by: str | None = None
    finished: Any = None
    checkpoint: Any
    counters: Any
    observations: Observations = msgspec.field(default_factory=Observations)

    @property
    def standing(self) -> str:
        """How far the job has come, as a part of a sentence."""
        return f"{self.counters.settled} orders have an outcome"

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
        :return: The state; None to start over.
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

    def finish(self, summary: Any) -> Self:
        """
        Return what is kept of a job that is finished: enough to return the same result again.

        :param summary: The summary.
        """
        return type(self)(
            fingerprint=self.fingerprint,
            project=self.project,
            run=self.run,
            restarted_by=self.restarted_by,
            finished=summary,
            checkpoint=self.checkpoint.of_finished(),
            counters=type(self.counters)(),
        )
