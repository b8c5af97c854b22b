"""The base of the jobs: they do what can be done now, say what to wait for, and resume from a state."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypedDict, TypeVar

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.docstrings import inherit_parameters
from airflow_provider_voucherify.core.job_state import JobState
from airflow_provider_voucherify.core.options import PollingOptions
from airflow_provider_voucherify.core.state_store import NoStateStore, ResumedStateStore, StateStore
from airflow_provider_voucherify.exceptions import ConfigurationError, VoucherifyError

StateT = TypeVar("StateT", bound=JobState)
SummaryT = TypeVar("SummaryT")


class JobOptions(TypedDict, total=False):
    """What every job takes beside what it works on: see :class:`Job`."""

    run: str | None
    restart: bool
    resume_from: dict[str, Any] | None
    failures: int
    calls: int
    clock: Callable[[], float]


class Job(ABC, Generic[StateT, SummaryT]):
    """
    Work at Voucherify in as many steps and tries as it takes. Subclasses document the parameters that they add.

    :cvar _unfinished: What is wrong with asking for the summary too early.
    :param client: The API.
    :param config: The options.
    :param state_store: Where the state is saved; None to keep nothing.
    :param run: The name of this run.
    :param restart: Whether to start over, whatever another run saved; the next try of the same run resumes.
    :param resume_from: A document of the state to resume from if the store has none, such as one that a trigger held.
    :param failures: How many polls failed in a row before, in a trigger.
    :param calls: How many calls were made elsewhere for this job, in a trigger.
    :param clock: Returns the time in seconds since the epoch.
    """

    _unfinished: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Add the parameters of the base to the docstring, unless the class documents them itself."""
        super().__init_subclass__()
        inherit_parameters(cls)

    def __init__(
        self,
        client: Endpoints,
        config: PollingOptions,
        state_store: StateStore | None,
        *,
        run: str | None = None,
        restart: bool = False,
        resume_from: dict[str, Any] | None = None,
        failures: int = 0,
        calls: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if state_store is None:
            state_store = NoStateStore()
        self._client = client
        self._state_store = state_store if resume_from is None else ResumedStateStore(state_store, resume_from)
        self._run = run
        self._restart = restart
        self._calls_elsewhere = calls
        self._clock = clock
        self._poller = Poller(config.poll_seconds, failures=failures)
        self._state: StateT | None = None
        self._summary: SummaryT | None = None

    def open(self) -> StateT:
        """
        Load the state to resume, or start one. :meth:`advance` does this by itself.

        :raises ConfigurationError: if what the job reads cannot be read, or what it writes cannot be written.
        :raises SourceChangedError: if the job to resume was of another source.
        :raises ProjectChangedError: if it was of another project.
        :raises StateError: if the saved state is missing or cannot be read.
        """
        if self._state is None:
            with naming_connection(self._client):
                self._state = self._open()
        return self._state

    def advance(self) -> Pause | None:
        """
        Do all that can be done now.

        :return: What to wait for; None when the job is finished.
        :raises FencedError: if another process has claimed the state since, such as the retry of this task.
        :raises VoucherifyError: if the job cannot continue. The saved state says exactly where it stands.
        """
        self.open()
        if self._summary is not None:
            return None
        with naming_connection(self._client):
            return self._advance()

    def run(self) -> SummaryT:
        """
        Do all of it, sleeping in every wait.

        :return: The summary.
        :raises VoucherifyError: as :meth:`advance` does.
        """
        while pause := self.advance():
            time.sleep(pause.seconds)
        return self.summary

    @abstractmethod
    def _open(self) -> StateT:
        """Load the state to resume, or start one."""

    @abstractmethod
    def _advance(self) -> Pause | None:
        """Do all that can be done now; make the summary when the job is finished."""

    @property
    def state(self) -> StateT:
        """The state of the job."""
        return self.open()

    @property
    def failures(self) -> int:
        """How many polls failed in a row up to now."""
        return self._poller.failures

    @property
    def summary(self) -> SummaryT:
        """
        What the job came to, once :meth:`advance` has returned None.

        :raises RuntimeError: before.
        """
        if self._summary is None:
            raise RuntimeError(self._unfinished)
        return self._summary

    def _count_calls_from(self, calls: int) -> None:
        """
        Begin to count the calls of this try.

        :param calls: How many calls earlier tries made, by the state.
        """
        self._calls_before = calls + self._calls_elsewhere - self._client.transport.calls

    @property
    def _calls_made(self) -> int:
        """How many calls were made for the job, in all tries and elsewhere."""
        return self._calls_before + self._client.transport.calls

    def _server_time(self) -> float:
        """Return the time on Voucherify's clock, in seconds since the epoch."""
        return self._client.transport.server_clock.at(self._clock())


@contextmanager
def naming_connection(client: Endpoints) -> Iterator[None]:
    """
    Name the connection in the errors that leave a block, except for those of parameters, which name the parameter.

    :param client: The client of the connection.
    """
    try:
        yield
    except ConfigurationError:
        raise
    except VoucherifyError as error:
        error.name_connection(client.transport.settings.name)
        raise
