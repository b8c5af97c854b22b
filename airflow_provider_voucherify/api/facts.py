"""What ``voucherify-probe`` measured of one project, beyond what ``docs/voucherify-api.md`` says of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError

NOT_TOLD = "not told"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answers of a project to the questions of the probe. There is no secret in them, and nothing of the shop.

    :param answers: By the names of the questions; the same from one run of the probe to the next, as long as the
        project does not change.
    :param evidence: What was seen, by the names of the questions.
    :param unanswered: Why a question has no answer.
    :param assumed: What the provider assumes, by the names of the questions.
    :param refuted: The questions whose answers contradict that.
    :param bounds: The sizes and ages that were tried, by the names of the questions.
    :param measured: Seconds that were measured; they differ from one run to the next.
    :param calls: API calls that were made.
    :param orders: How many orders were created.
    :param asked_at: When, in ISO 8601.
    :param version: The version of the provider that asked.
    """

    answers: dict[str, Any] = {}
    evidence: dict[str, str] = {}
    unanswered: dict[str, str] = {}
    assumed: dict[str, str] = {}
    refuted: list[str] = []
    bounds: dict[str, list[float]] = {}
    measured: dict[str, float] = {}
    calls: int = 0
    orders: int = 0
    asked_at: str = ""
    version: str = ""

    def answer(self, question: str) -> Any:
        """
        Return the answer to a question.

        :param question: Its name.
        :return: None if it is not known.
        """
        answer = self.answers.get(question)
        return None if answer == NOT_TOLD else answer

    def limit(self, question: str, value: int) -> int:
        """
        Lower a value to a limit that was measured.

        :param question: The name of the question for the limit.
        :param value: The value.
        """
        limit = self.answers.get(question)
        return min(value, limit) if isinstance(limit, int) and limit > 0 else value

    @property
    def imports_update(self) -> bool:
        """Whether an import is known to update the order with the same ``source_id``, so that it can be repeated."""
        return self.answers.get("import_mode") == "upsert"

    @property
    def bounds_included(self) -> bool | None:
        """Whether the conditions ``$after`` and ``$before`` include their bounds; None if that is not known."""
        known = {self.answer(name) for name in ("after_includes_bound", "before_includes_bound")}
        return None if None in known else known == {True}


def parse_facts(value: Any, what: str) -> Facts:
    """
    Read facts.

    :param value: The path of the file that ``voucherify-probe --json`` wrote, its content, or the content decoded.
    :param what: What the value is of, for errors.
    :raises ConfigurationError: if there is no such file, or it has no facts.
    :return: The facts.
    """
    try:
        if isinstance(value, str) and not value.lstrip().startswith("{"):
            value = Path(value).read_text()
        document = msgspec.json.decode(value) if isinstance(value, str) else value
        if not isinstance(document, dict) or not isinstance(document.get("answers"), dict):
            raise ValueError("it has no 'answers'")
        return msgspec.convert(document, Facts)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
    raise ConfigurationError(f"{what} must be the facts that voucherify-probe --json wrote: {reason}.")
