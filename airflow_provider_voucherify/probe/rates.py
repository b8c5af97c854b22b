"""The rate headers of all responses: which limits there are, and what counts against which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from airflow_provider_voucherify.api.quota import Quota
from airflow_provider_voucherify.api.rate_headers import count_in

CallKind = Literal["call", "import"]
SANDBOX_LIMIT = 100
MINUTE = 60.0
# Seconds by which the end of a period may be rounded, in the headers and by the clocks.
ROUNDING = 2.0


class RateHeaders(msgspec.Struct, frozen=True):
    """The rate headers of one response; None for those that are missing."""

    kind: CallKind
    limit: int | None
    remaining: int | None
    ends_at: float | None


class RateRecorder(Quota):
    """A quota that records the headers it learns from."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.headers: list[RateHeaders] = []
        self.longest_wait = 0.0
        self._kind: CallKind = "call"

    @contextmanager
    def of_import(self) -> Iterator[None]:
        """Record what is called inside as imports."""
        self._kind = "import"
        try:
            yield
        finally:
            self._kind = "call"

    def observe(self, headers: Mapping[str, str], refused: bool = False) -> None:
        """
        Learn from the headers of a response, and record them.

        :param headers: The headers, by case-insensitive name.
        :param refused: Whether the response is a 429.
        """
        super().observe(headers, refused)
        limit, remaining = count_in(headers, "X-Rate-Limit-Limit"), count_in(headers, "X-Rate-Limit-Remaining")
        ends_at = count_in(headers, "X-Rate-Limit-Retry")
        self.headers.append(RateHeaders(self._kind, limit, remaining, ends_at))
        if self._kind == "call" and ends_at is not None:
            self.longest_wait = max(self.longest_wait, ends_at - self._clock())

    def limit_of(self, kind: CallKind) -> int | None:
        """
        Return the limit in the headers of one kind of call.

        :param kind: The kind of call.
        :return: The limit of the last such response that has one; None if there was none.
        """
        limits = [headers.limit for headers in self.headers if headers.kind == kind and headers.limit is not None]
        return limits[-1] if limits else None

    def is_hourly(self, time_scale: float) -> bool:
        """
        Return whether the period is longer than a minute.

        :param time_scale: How many times as fast time passes there: 1 but for an emulator.
        :return: False also for what is left of an hour in its last minute.
        """
        return self.longest_wait > MINUTE / time_scale + ROUNDING

    def counts_imports_apart(self) -> bool | None:
        """
        Return whether imports are counted against a limit of their own.

        :return: None if the headers do not tell.
        """
        of_calls, of_imports = self.limit_of("call"), self.limit_of("import")
        if of_imports is None:
            return None if of_calls is None else True
        if of_calls != of_imports:
            return True
        for before, imported, after in zip(self.headers, self.headers[1:], self.headers[2:], strict=False):
            kinds = (before.kind, imported.kind, after.kind)
            ends = {headers.ends_at for headers in (before, after)}
            if kinds == ("call", "import", "call") and len(ends) == 1 and before.remaining and after.remaining:
                return before.remaining - after.remaining == 1
        return None
