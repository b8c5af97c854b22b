"""Send one order, and find out what became of it: also where the response was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.exceptions import (
    ErrorResponse,
    InvalidRequestError,
    NotFoundError,
    QuotaError,
    RetryableError,
    ServerError,
    TransportError,
    UnavailableError,
    WaitTimeoutError,
)
from airflow_provider_voucherify.order_sync.config import SyncMode
from airflow_provider_voucherify.order_sync.pending_orders import SyncOrder
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode
from airflow_provider_voucherify.reporting.summary import LoadedOrder

IDENTIFYING = ("id", "source_id")


class Result(Enum):
    """
    What became of an order that was sent.

    ``PUT_BACK``: it has to be sent again. ``LOST``: that too, as the response was lost and reading did not find it.
    """

    LOADED = "loaded"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    PUT_BACK = "put back"
    LOST = "lost"


@dataclass(frozen=True)
class Sent:
    """
    What became of one call with an order.

    :param result: What became of it.
    :param reason: Why it was not loaded, or why that is unknown.
    :param code: What kind of failure that is.
    :param error: The error that may pass, if the order has to be sent again.
    :param order: The order as Voucherify returned it, if it is loaded.
    """

    result: Result
    reason: str = ""
    code: OutcomeCode = OutcomeCode.REFUSED
    error: RetryableError | None = None
    order: LoadedOrder | None = None


class Sender:
    """
    Sends orders one by one, from any number of threads.

    An order whose response is lost is not simply sent again, which might be one event too many: it is read first.

    :param client: The API.
    :param mode: Whether orders that do not exist are created.
    """

    def __init__(self, client: Endpoints, mode: SyncMode) -> None:
        self._client = client
        self._updates = mode == "update"

    def send(self, order: SyncOrder) -> Sent:
        """
        Send an order, which takes one call, or two if the response is lost.

        :param order: The order.
        :raises VoucherifyError: if the error is not one of this order, and will not pass.
        """
        key = order.identity.id or (order.identity.source_id if self._updates else None)
        if self._updates and key is None:
            return Sent(
                Result.REJECTED, "has neither id nor source_id to update an order by (mode)", OutcomeCode.INVALID
            )
        try:
            if key is None:
                response = self._client.create_order(order.body)
            else:
                response = self._client.update_order(key, _without_id(order.body))
            if not response.get("id"):
                raise TransportError("The response is not an order: it has no id.", sent=True)
        except InvalidRequestError as error:
            return Sent(Result.REJECTED, _words(error.response))
        except NotFoundError as error:
            if key is None or not error.response.from_api:
                raise
            return Sent(Result.REJECTED, f"there is no such order to update: {_words(error.response)}")
        except WaitTimeoutError:
            raise
        except (QuotaError, UnavailableError) as error:
            return Sent(Result.PUT_BACK, error=error)
        except ServerError as error:
            return self._find(order, error)
        except TransportError as error:
            return self._find(order, error) if error.sent else Sent(Result.PUT_BACK, error=error)
        return Sent(Result.LOADED, order=_loaded(response))

    def _find(self, order: SyncOrder, error: RetryableError) -> Sent:
        """Read an order whose response was lost."""
        key = order.identity.id or order.identity.source_id
        if key is None:
            reason = f"sent, but the response was lost, and without source_id it cannot be found. {error}"
            return Sent(Result.UNKNOWN, reason, OutcomeCode.LOST)
        try:
            found = self._client.get_order(key)
        except NotFoundError:
            return Sent(Result.LOST, error=error)
        except (QuotaError, UnavailableError, ServerError, TransportError) as unread:
            return Sent(Result.PUT_BACK, error=unread)
        if not has_arrived(order.body, found):
            return Sent(Result.LOST, error=error)
        return Sent(Result.LOADED, order=_loaded(found))


def has_arrived(body: bytes, found: Mapping[str, Any]) -> bool:
    """
    Return whether an order certainly has all values that were sent.

    What does not come back as it was given, such as the ``source_id`` of a customer, cannot be compared: then it is not
    certain. An ``amount`` is not compared where items are given: Voucherify keeps their sum (documented). Metadata
    outside the schema are kept as text (documented).

    :param body: The order as it was sent.
    :param found: The order as Voucherify returns it.
    """
    sent: dict[str, Any] = msgspec.json.decode(body)
    given = {name: value for name, value in sent.items() if value is not None and name not in IDENTIFYING}
    if given.get("items"):
        given.pop("amount", None)
    return all(_holds(value, found.get(name)) for name, value in given.items())


def _holds(sent: Any, found: Any) -> bool:
    if isinstance(sent, dict):
        return isinstance(found, dict) and all(
            _holds(value, found.get(name)) for name, value in sent.items() if value is not None
        )
    if isinstance(sent, list):
        return isinstance(found, list) and len(sent) == len(found) and all(map(_holds, sent, found))
    return bool(sent == found) or str(sent) == str(found)


def _without_id(body: bytes) -> bytes:
    """Leave out the id, which is in the path of an update."""
    fields = _decode_fields(body)
    return body if fields.pop("id", None) is None else msgspec.json.encode(fields)


def _words(response: ErrorResponse) -> str:
    return f"{response.reason} ({response.key})" if response.key else response.reason


def _loaded(order: Mapping[str, Any]) -> LoadedOrder | None:
    """Return what is kept of an order; None of one in a form that is not documented."""
    try:
        return msgspec.convert(order, LoadedOrder)
    except msgspec.ValidationError:
        return None


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
