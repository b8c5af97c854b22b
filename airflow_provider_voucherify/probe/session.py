"""What a probe has found so far, so that it can be resumed."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_voucherify.core.storage import write_durably
from airflow_provider_voucherify.exceptions import ExperimentError, ProjectChangedError, StateError
from airflow_provider_voucherify.probe.question import Answer


class Session(msgspec.Struct, kw_only=True):
    """
    A run of the probe, which may take several processes.

    :param project: Host and application id.
    :param key: Tells the orders of this run from those of others.
    :param attempt: How often the run was begun or resumed: an interrupted experiment is repeated with new orders.
    :param finished: The names of the experiments that are finished.
    :param answers: The answers by the names of the questions.
    :param unanswered: Why a question has no answer.
    :param measured: Seconds that were measured, which are not answers: they differ from one run to the next.
    :param calls: API calls made.
    :param orders: How many orders this run may have created.
    :param failed: The names of experiments that failed once, as a call did.
    :param notes: What later experiments need of earlier ones: ids and times of orders, and of an export.
    """

    project: str
    key: str = msgspec.field(default_factory=lambda: secrets.token_hex(4))
    attempt: int = 0
    finished: list[str] = []
    answers: dict[str, Answer] = {}
    unanswered: dict[str, str] = {}
    measured: dict[str, float] = {}
    calls: int = 0
    orders: int = 0
    failed: list[str] = []
    notes: dict[str, str] = {}

    def found(self, question: str, answer: Any, evidence: str) -> None:
        """
        Add an answer.

        :param question: The name of the question.
        :param answer: The answer.
        :param evidence: What was seen.
        """
        self.answers[question] = Answer(answer=answer, evidence=evidence)
        self.unanswered.pop(question, None)

    def note(self, name: str) -> str:
        """
        Return what an earlier experiment noted.

        :param name: The name of the note.
        :raises ExperimentError: if it could not, so that what depends on it cannot be asked.
        """
        if not (value := self.notes.get(name)):
            raise ExperimentError(f"An earlier experiment did not find {name!r}.")
        return value


def load_session(file: Path | None, project: str) -> Session:
    """
    Resume a session, or begin one.

    :param file: Where it is saved; None for a session that is not.
    :param project: Host and application id.
    :raises ProjectChangedError: if it is one of another project.
    :raises StateError: if the file is not one of a session.
    :return: The session.
    """
    if file is None or not file.exists():
        return Session(project=project)
    try:
        session = msgspec.json.decode(file.read_bytes(), type=Session)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"{file} is not the session of a probe ({error}). Name another file to begin one.") from None
    if session.project != project:
        raise ProjectChangedError(
            f"{file} is a session with the project {session.project}, and the keys are those of {project}. "
            "Name another file to begin a session."
        )
    return session


def save_session(session: Session, file: Path | None) -> None:
    """
    Save a session.

    :param session: The session. It has neither keys nor anything of the shop.
    :param file: Where to; None for nowhere.
    """
    if file is not None:
        write_durably(file, msgspec.json.encode(session))
