"""
The exceptions of this package, in one tree.

Each is either a :class:`RetryableError`, which a retry of the task may not meet again, or a :class:`PermanentError`,
which stays until somebody changes the input, the connection or the project. A retry policy of Airflow (3.3 and newer)
can distinguish them by these two classes.

What a retry mends:

- A network that fails, a server error, a request that is refused for now, a quota that is used up and a download that
  breaks off pass by themselves. The client has already retried them for a short time.
- A wait that exceeds its time limit continues in the next try, from the saved state.
- An export that ended in ERROR at Voucherify is requested again.

Wrong keys, an invalid request, a used up plan, refused orders and a file or state that does not fit stay as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = [
    "ApiError",
    "AsyncActionFailedError",
    "AuthenticationError",
    "BadRowError",
    "ConcurrentWriterError",
    "ConfigurationError",
    "DownloadLinkError",
    "DryRunFailedError",
    "ErrorResponse",
    "ExperimentError",
    "ExportFailedError",
    "ExportFileError",
    "FencedError",
    "InvalidRequestError",
    "ListingError",
    "NotFoundError",
    "OrdersDifferError",
    "OrdersNotLoadedError",
    "OrdersRefusedError",
    "PagingLimitError",
    "PayloadTooLargeError",
    "PermanentError",
    "PlanExceededError",
    "ProjectChangedError",
    "ProjectRefusedError",
    "QuotaError",
    "RequestRefusedError",
    "RetryableError",
    "RowTooLongError",
    "ServerError",
    "SourceChangedError",
    "StateError",
    "TokenUnavailableError",
    "TooFewRowsError",
    "TransportError",
    "TruncatedDownloadError",
    "UnavailableError",
    "VoucherifyError",
    "WaitTimeoutError",
]


class VoucherifyError(Exception):
    """The base of every error of this package. One that leaves a job names the connection of the job."""

    _connection: str | None = None

    def __str__(self) -> str:
        text = self._text()
        if self._connection is None or (named := f"connection {self._connection!r}") in text:
            return text
        return f"With {named}: {text}"

    def _text(self) -> str:
        """Return the message without the connection."""
        return str(self.args[0]) if self.args else ""

    def name_connection(self, name: str) -> None:
        """
        Name a connection in the message, unless it is there already.

        :param name: The name of the connection.
        """
        self._connection = name


class RetryableError(VoucherifyError):
    """A passing failure: the same task may succeed when it is tried again later."""


class PermanentError(VoucherifyError):
    """A failure that no retry mends: the input, the connection or the project has to be changed first."""


# input


class ConfigurationError(PermanentError, ValueError):
    """A connection or parameter that cannot work, found before anything was sent."""


class SourceChangedError(PermanentError):
    """The orders are not those that the job was started with."""


class ProjectChangedError(PermanentError):
    """The connection leads to another project than the one that the job was started with."""


class ProjectRefusedError(PermanentError):
    """The project does not look like a sandbox, so that the probe does not touch it."""


class ExperimentError(PermanentError):
    """An experiment of the probe cannot be made: it takes too many calls or orders or too long, or lacks orders."""


class StateError(PermanentError):
    """The saved state of a job is missing, cannot be read, or contradicts itself."""


class FencedError(PermanentError):
    """Another process took the place of this one, which stopped: both work with the same state or report."""


# transport


class TransportError(RetryableError):
    """
    No usable response was received.

    :param message: What happened, without query strings or headers.
    :param sent: Whether the request may have reached Voucherify. If so, a request that changes something may have been
        carried out, and only a search can find out.
    """

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message, sent)
        self.sent = sent


class TruncatedDownloadError(TransportError):
    """A download ended before the whole file was received."""

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message, sent)


class DownloadLinkError(TransportError):
    """
    The link to the file of an export was refused, as it is when it has expired.

    The client requests a new link once by itself. A retry of the task requests another one.
    """

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message, sent)


class TokenUnavailableError(TransportError):
    """No OAuth 2.0 token could be fetched, so that the request itself was not sent."""

    def __init__(self, message: str, sent: bool = False) -> None:
        super().__init__(message, sent)


class ListingError(TransportError):
    """The pages of a listing repeat or do not end, so that nothing can be concluded from it."""

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message, sent)


class WaitTimeoutError(RetryableError, TimeoutError):
    """The time limit of the task was reached before Voucherify had finished. The next try resumes from the state."""


# error responses of the API


class ErrorResponse(msgspec.Struct, frozen=True, kw_only=True):
    """
    A response of status 400 or above. Only ``status`` and ``message`` are certain (documented).

    :param connection: The name of the connection that was used.
    :param request: Method and path, without the query string.
    :param status: The HTTP status.
    :param from_api: Whether the body is an error object of the API, and not, for example, the page of a proxy.
    :param limit_type: ``X-Rate-Limit-Type`` of a 429: ``api_calls``, ``bulk_api_calls``,
        ``api_calls_cycle`` or ``webhook_calls``.
    :param retry_at: When the next call can be made, in seconds since the epoch.
    """

    connection: str
    request: str
    status: int
    message: str
    from_api: bool = True
    key: str | None = None
    details: str | None = None
    request_id: str | None = None
    resource_id: str | None = None
    limit_type: str | None = None
    limit: int | None = None
    remaining: int | None = None
    retry_at: float | None = None

    @property
    def reason(self) -> str:
        """What is wrong, in the words of the response."""
        return ": ".join(part for part in (self.message, self.details) if part)


class ApiError(VoucherifyError):
    """
    Voucherify responded with an error.

    :param response: The response. Its fields are attributes of the error as well.
    """

    advice = ""

    def __init__(self, response: ErrorResponse) -> None:
        super().__init__(response)
        self.response = response

    def __getattr__(self, name: str) -> Any:
        if name in ErrorResponse.__struct_fields__:
            return getattr(self.response, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _text(self) -> str:
        response = self.response
        details = ", ".join(
            part
            for part in (
                f"HTTP {response.status}",
                response.key,
                response.request_id and f"request {response.request_id}",
                response.limit_type and f"limit {response.limit_type}",
                response.limit is not None and f"{response.limit} calls a period, {response.remaining} left",
                response.retry_at
                and f"next call at {datetime.fromtimestamp(response.retry_at, UTC):%Y-%m-%d %H:%M:%S} UTC",
            )
            if part
        )
        advice = f" {self.advice}" if self.advice else ""
        return f"{response.request} with connection {response.connection!r}: {response.reason} ({details}).{advice}"


class AuthenticationError(ApiError, PermanentError):
    """The keys are wrong, blocked, or not allowed here (401, 403)."""

    advice = (
        "Check application id (login) and secret key (password) of the connection, "
        "whether the key is limited to IP addresses, and whether host names the cluster of the project."
    )


class InvalidRequestError(ApiError, PermanentError):
    """The payload of the request is invalid: a 400 with an error object of the API."""


class PayloadTooLargeError(InvalidRequestError):
    """The body is larger than Voucherify accepts (413, or error key ``query_too_large``)."""


class RequestRefusedError(ApiError, PermanentError):
    """Voucherify refuses the kind of request, whatever its payload (405, 406, 415 and any other 4xx)."""


class NotFoundError(ApiError, PermanentError):
    """There is no such object (404)."""


class UnavailableError(ApiError, RetryableError):
    """
    The request is refused for now, or by something else than the API; nothing was done.

    These are 408, 409, 423 and 425, and any 4xx whose body is not an error object of the API, such as the page of a
    proxy or a firewall. They say nothing about the payload.
    """


class QuotaError(ApiError, RetryableError):
    """
    The quota does not allow a call now, but later (429): at ``retry_at``, if Voucherify says so.

    Nothing was done: the call was refused, or not sent because it would have used the reserve.
    """


class PlanExceededError(ApiError, PermanentError):
    """The plan or its billing cycle is used up, or the subscription ended (402, 429): waiting does not help."""

    advice = "Raise the plan or wait for the next billing cycle; nothing was done by this call."


class ServerError(ApiError, RetryableError):
    """Voucherify failed (5xx). A request that changes something may have been carried out nevertheless."""


class PagingLimitError(PermanentError):
    """A listing is longer than the API serves (100 pages, documented)."""


# outcomes


class OrdersNotLoadedError(PermanentError):
    """
    An import or a synchronisation ended with more rejected or unknown orders than tolerated.

    :param message: What is wrong with it.
    :param summary: Its :class:`~airflow_provider_voucherify.reporting.summary.LoadSummary`.
    """

    def __init__(self, message: str, summary: Any) -> None:
        super().__init__(message, summary)
        self.summary = summary


class OrdersDifferError(PermanentError):
    """
    A reconciliation found more missing, different or unchecked orders than tolerated.

    :param message: What is wrong with it.
    :param result: The :class:`~airflow_provider_voucherify.reconciliation.ReconcileResult`.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message, result)
        self.result = result


class DryRunFailedError(PermanentError):
    """A dry run found too many orders that would be rejected, or that too few calls are left."""


class OrdersRefusedError(PermanentError):
    """Voucherify refused some of the orders that were sent one by one."""


class AsyncActionFailedError(PermanentError):
    """An async action FAILED, or could not process some of its records."""


class ExportFailedError(RetryableError):
    """An export ended in ERROR at Voucherify. The next try requests a new one."""


class TooFewRowsError(RetryableError):
    """An export has fewer rows than it must have. Nothing was published, and the next try requests a new one."""


class ConcurrentWriterError(RetryableError):
    """Another process writes to the same place, and took it over."""


class ExportFileError(PermanentError):
    """The exported file is not what was asked for: a column is missing, it is not CSV, and so on."""


class RowTooLongError(ExportFileError):
    """A row is longer than the block of text that is parsed at a time."""


class BadRowError(ExportFileError):
    """
    A row has a value that does not fit the type of its column, or too few or too many cells.

    :param message: What is wrong, with the value.
    :param file: Which file of the export, from 1.
    :param row: Which row of that file, from 1, its header not counted.
    """

    def __init__(self, message: str, file: int, row: int) -> None:
        super().__init__(message, file, row)
        self.file = file
        self.row = row
