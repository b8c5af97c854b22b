"""What can go wrong between us and Voucherify, one class for each thing a caller can do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec


class VoucherifyError(Exception):
    """The base of every error that this package raises on behalf of Voucherify."""


class ConfigurationError(VoucherifyError, ValueError):
    """A connection or parameter that cannot work, found before anything was sent."""


class TransportError(VoucherifyError):
    """
    No usable answer came back.

    :param message: What happened, without query strings or headers.
    :param sent: Whether the request may have reached Voucherify. If so, a request that changes something
        may have been carried out, and nobody knows until somebody looks.
    """

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message, sent)
        self.sent = sent

    def __str__(self) -> str:
        return str(self.args[0])


class TruncatedDownloadError(TransportError):
    """A download that ended before all of it was there."""

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message, sent)


class WaitTimeoutError(VoucherifyError, TimeoutError):
    """Voucherify was still at work when the time to wait was over."""


class PagingLimitError(VoucherifyError):
    """A listing that goes on behind the last page that the API serves (page 100, documented)."""


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    An answer of status 400 or above. Only ``status`` and ``message`` are certain (documented).

    :param connection: The name of the connection that was used.
    :param request: Method and path, without the query string.
    :param status: The HTTP status.
    :param limit_type: ``X-Rate-Limit-Type`` of a 429: ``api_calls``, ``bulk_api_calls``,
        ``api_calls_cycle`` or ``webhook_calls``.
    :param retry_at: When the next call can be made, in seconds since the epoch.
    """

    connection: str
    request: str
    status: int
    message: str
    key: str | None = None
    details: str | None = None
    request_id: str | None = None
    resource_id: str | None = None
    limit_type: str | None = None
    limit: int | None = None
    remaining: int | None = None
    retry_at: float | None = None


class ApiError(VoucherifyError):
    """
    Voucherify answered, and the answer is an error.

    :param answer: The answer. Its fields are attributes of the error as well.
    """

    advice = ""

    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer)
        self.answer = answer

    def __getattr__(self, name: str) -> Any:
        if name in ErrorAnswer.__struct_fields__:
            return getattr(self.answer, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __str__(self) -> str:
        answer = self.answer
        what = ": ".join(part for part in (answer.message, answer.details) if part)
        marks = ", ".join(
            part
            for part in (
                f"HTTP {answer.status}",
                answer.key,
                answer.request_id and f"request {answer.request_id}",
                answer.limit_type and f"limit {answer.limit_type}",
                answer.limit is not None and f"{answer.limit} calls a period, {answer.remaining} left",
                answer.retry_at and f"next call at {datetime.fromtimestamp(answer.retry_at, UTC):%H:%M:%S} UTC",
            )
            if part
        )
        advice = f" {self.advice}" if self.advice else ""
        return f"{answer.request} with connection {answer.connection!r}: {what} ({marks}).{advice}"


class AuthenticationError(ApiError):
    """The keys are wrong, blocked, or not allowed here (401, 403)."""

    advice = (
        "Check application id (login) and secret key (password) of the connection, "
        "whether the key is limited to IP addresses, and whether host names the cluster of the project."
    )


class InvalidRequestError(ApiError):
    """Voucherify refuses the request as it stands (400 and the other 4xx): repeating it changes nothing."""


class PayloadTooLargeError(InvalidRequestError):
    """The body is larger than Voucherify takes (413, or error key ``query_too_large``)."""


class NotFoundError(ApiError):
    """There is no such object (404)."""


class QuotaError(ApiError):
    """
    No call can be made now; one can be made later (429), at ``retry_at`` if Voucherify said so.

    Nothing was done: the call was refused, or was not sent because it would have eaten into the reserve.
    """


class PlanExceededError(ApiError):
    """Waiting does not help: the plan or its billing cycle is used up, or the subscription ended (402, 429)."""

    advice = "Raise the plan or wait for the next billing cycle; nothing was done by this call."


class ServerError(ApiError):
    """Voucherify failed (5xx). A request that changes something may have been carried out all the same."""


CYCLE_LIMIT = "api_calls_cycle"
SIZE_KEYS = frozenset({"query_too_large", "payload_too_large"})


def error_for(answer: ErrorAnswer) -> ApiError:
    """
    Choose the class of error by status, key and limit type, never by the text of a message.

    :param answer: The answer of Voucherify.
    :return: The error, not raised yet.
    """
    key = answer.key or ""
    match answer.status:
        case 401 | 403:
            return AuthenticationError(answer)
        case 402:
            return PlanExceededError(answer)
        case 404:
            return NotFoundError(answer)
        case 429 if answer.limit_type == CYCLE_LIMIT or "subscription" in key:
            return PlanExceededError(answer)
        case 429:
            return QuotaError(answer)
        case status if status >= 500:
            return ServerError(answer)
        case 413:
            return PayloadTooLargeError(answer)
        case _ if key in SIZE_KEYS:
            return PayloadTooLargeError(answer)
        case _:
            return InvalidRequestError(answer)
