"""Convert error responses into exceptions, by status, key and limit type, never by the text of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.api.too_many_requests import TOO_MANY_REQUESTS, error_of_429
from airflow_provider_voucherify.exceptions import (
    ApiError,
    AuthenticationError,
    ErrorResponse,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    PlanExceededError,
    RequestRefusedError,
    ServerError,
    UnavailableError,
)

SIZE_KEYS = frozenset({"query_too_large", "payload_too_large"})
PASSING = frozenset({408, 409, 423, 425})
MAX_PAGE = 200


def parse_error_body(body: bytes) -> dict[str, Any]:
    """
    Decode the body of an error response.

    :param body: The body, or the beginning of it.
    :return: The error object of the API, which has at least ``code`` and ``message`` (documented); an empty dict if
        the body is anything else, such as a page of a proxy.
    """
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("message") and "code" in parsed else {}


def error_response(
    status: int, body: bytes, *, reason: str, headers: Mapping[str, str], connection: str, request: str, **quota: Any
) -> ErrorResponse:
    """
    Describe an error response.

    :param status: The HTTP status.
    :param body: The body, or the beginning of it.
    :param reason: The reason phrase of the status line.
    :param headers: The headers of the response.
    :param connection: The name of the connection.
    :param request: Method and path.
    :param quota: ``limit``, ``remaining`` and ``retry_at``, if the response says so.
    """
    error = parse_error_body(body)
    return ErrorResponse(
        connection=connection,
        request=request,
        status=status,
        message=_text(error.get("message")) or _foreign_message(reason, body, headers),
        from_api=bool(error),
        key=_text(error.get("key")),
        details=_text(error.get("details")),
        request_id=_text(error.get("request_id")),
        resource_id=_text(error.get("resource_id")),
        limit_type=_text(headers.get("X-Rate-Limit-Type")),
        **quota,
    )


def error_from(response: ErrorResponse) -> ApiError:
    """
    Choose the class of an error.

    Only a 400 with an error object of the API becomes an
    :class:`~airflow_provider_voucherify.exceptions.InvalidRequestError`: it alone means that the payload is at fault.

    :param response: The response, of status 400 or above.
    :return: The error, not raised yet.
    """
    key = response.key or ""
    if response.status == TOO_MANY_REQUESTS:
        return error_of_429(response)
    match response.status:
        case 401 | 403:
            return AuthenticationError(response)
        case 402:
            return PlanExceededError(response)
        case 404:
            return NotFoundError(response)
        case status if status >= 500:
            return ServerError(response)
        case 413:
            return PayloadTooLargeError(response)
        case _ if key in SIZE_KEYS:
            return PayloadTooLargeError(response)
        case status if status in PASSING or not response.from_api:
            return UnavailableError(response)
        case 400:
            return InvalidRequestError(response)
        case _:
            return RequestRefusedError(response)


def _text(value: object) -> str | None:
    return None if value is None or value == "" else one_line(value)


def _foreign_message(reason: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Describe a response that the API did not write: the reason of its status line, and the beginning of its body."""
    text = " ".join(body.decode("utf-8", "replace").split())
    kind = headers.get("Content-Type", "").partition(";")[0].strip() or "a body"
    parts = [reason, text and f"not an error of the API but {kind}: {text}"]
    return one_line(", ".join(part for part in parts if part) or "no message", MAX_PAGE)
