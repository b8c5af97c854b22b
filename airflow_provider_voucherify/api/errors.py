"""What can go wrong between us and Voucherify, one class for each thing a caller can do about it."""

from __future__ import annotations

from airflow_provider_voucherify.exceptions import (
    ApiError,
    AuthenticationError,
    ErrorResponse,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    PlanExceededError,
    QuotaError,
    ServerError,
)

CYCLE_LIMIT = "api_calls_cycle"
SIZE_KEYS = frozenset({"query_too_large", "payload_too_large"})


def error_for(response: ErrorResponse) -> ApiError:
    """
    Choose the class of error by status, key and limit type, never by the text of a message.

    :param response: The response of Voucherify.
    :return: The error, not raised yet.
    """
    key = response.key or ""
    match response.status:
        case 401 | 403:
            return AuthenticationError(response)
        case 402:
            return PlanExceededError(response)
        case 404:
            return NotFoundError(response)
        case 429 if response.limit_type == CYCLE_LIMIT or "subscription" in key:
            return PlanExceededError(response)
        case 429:
            return QuotaError(response)
        case status if status >= 500:
            return ServerError(response)
        case 413:
            return PayloadTooLargeError(response)
        case _ if key in SIZE_KEYS:
            return PayloadTooLargeError(response)
        case _:
            return InvalidRequestError(response)
