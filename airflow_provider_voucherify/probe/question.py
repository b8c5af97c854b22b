"""A question about the API: what is asked, what the provider assumes, and what an answer looks like."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_voucherify.api.facts import NOT_TOLD


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """
    A question that the documents leave open.

    :param name: Its name in the facts.
    :param text: What is asked.
    :param assumed: What the provider assumes, for people.
    :param supported: The answers with which the provider works; None for any.
    """

    name: str
    text: str
    assumed: str
    supported: tuple[Any, ...] | None = None

    def is_refuted_by(self, answer: Any) -> bool:
        """
        Return whether an answer contradicts what the provider assumes.

        :param answer: An answer to this question.
        """
        return self.supported is not None and answer not in (*self.supported, NOT_TOLD)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answer to a question.

    :param answer: The same from one run to the next, as long as the project does not change. ``not told`` if the
        project's responses leave it open.
    :param evidence: What was seen, for people.
    """

    answer: Any
    evidence: str
