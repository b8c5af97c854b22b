"""
Handle 429 (Too Many Requests): avoid it, learn from it, and decide which limit it means.

Two limits are refused by this status: that of the period, which resets by itself, and that of the billing cycle, which
``X-Rate-Limit-Type`` names (documented, see ``docs/voucherify-api.md``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.api.quota import FIRST_CALL_WAIT, Quota
from airflow_provider_voucherify.exceptions import ErrorResponse, PlanExceededError, QuotaError

if TYPE_CHECKING:
    import requests

TOO_MANY_REQUESTS = 429
CYCLE_LIMIT = "api_calls_cycle"

log = logging.getLogger(__name__)


def wait_for_call(
    quota: Quota, *, connection: str, request: str, longest: float, sleep: Callable[[float], None]
) -> None:
    """
    Wait until the quota allows a call, and begin it.

    :param quota: Decides when the call may be made; its ``end_call`` must follow.
    :param connection: The name of the connection.
    :param request: Method and path.
    :param longest: The longest wait, in seconds.
    :param sleep: Sleeps a number of seconds.
    :raises QuotaError: at once, if the wait would be longer.
    """
    while wait := quota.begin_call():
        if wait > FIRST_CALL_WAIT and wait > longest:
            raise call_not_allowed(quota, connection, request, time.time() + wait)
        if wait > FIRST_CALL_WAIT:
            log.info("Waiting %.1f s for the quota: %s of %s calls left.", wait, quota.remaining, quota.limit)
        sleep(wait)
        longest -= wait


def observe_limits(quota: Quota, response: requests.Response) -> None:
    """
    Update the quota by the headers of a response.

    :param quota: The limit of the period. The headers of a limit of the billing cycle say nothing of it.
    :param response: Any response of the API.
    """
    if response.headers.get("X-Rate-Limit-Type") != CYCLE_LIMIT:
        quota.observe(response.headers, refused=is_refused(response))


def is_refused(response: requests.Response) -> bool:
    """Return whether a response is a 429."""
    return response.status_code == TOO_MANY_REQUESTS


def limits_in_error(quota: Quota, response: requests.Response) -> dict[str, Any]:
    """
    Return what an error says of the limit that refused the request.

    :param quota: The limit of the period, which has observed the response.
    :param response: An error response.
    :return: ``limit``, ``remaining`` and ``retry_at``; empty if the response is not a 429.
    """
    if not is_refused(response):
        return {}
    return {"limit": quota.limit, "remaining": quota.remaining, "retry_at": quota.retry_at}


def error_of_429(response: ErrorResponse) -> QuotaError | PlanExceededError:
    """
    Choose the class of the error for a 429.

    :param response: The response.
    :return: A :class:`~airflow_provider_voucherify.exceptions.PlanExceededError` if the billing cycle is used up or the
        subscription ended, as waiting does not help then.
    """
    if response.limit_type == CYCLE_LIMIT or "subscription" in (response.key or ""):
        return PlanExceededError(response)
    return QuotaError(response)


def call_not_allowed(quota: Quota, connection: str, request: str, retry_at: float) -> QuotaError:
    """
    Make the error of a call that is not made, to keep the reserve, without raising it.

    :param quota: The limit of the period.
    :param connection: The name of the connection.
    :param request: Method and path.
    :param retry_at: When the call can be made, in seconds since the epoch.
    """
    return QuotaError(
        ErrorResponse(
            connection=connection,
            request=request,
            status=TOO_MANY_REQUESTS,
            message=f"not sent, to leave {quota.reserved_calls:g} calls to others",
            from_api=False,
            limit=quota.limit,
            remaining=quota.remaining,
            retry_at=retry_at,
        )
    )
