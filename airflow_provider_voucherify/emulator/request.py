"""A request to the API as its handler sees it, and the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from airflow_provider_voucherify.emulator.errors import ResponseError, invalid_payload, invalid_query
from airflow_provider_voucherify.emulator.ids import timestamp

MAX_PAGE = 100
MAX_LIMIT = 100
DEFAULT_LIMIT = 10


class ApiRequest(Struct, kw_only=True):
    """A request that has been authorised and read.

    :param label: Method and path template, e.g. ``GET /v1/orders/{orderId}``.
    :param request_id: The id that errors and async actions carry.
    :param path: Values of the path template, decoded.
    :param query: Query parameters; of repeated ones the last.
    :param headers: Headers by lower-case name.
    :param body: The body, decompressed.
    """

    label: str
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def integer(self, name: str, default: int, highest: int) -> int:
        """Return a query parameter between 1 and ``highest``.

        :param name: The parameter.
        :param default: Its value when it is not sent.
        :param highest: The largest value allowed.
        :raises ResponseError: 400 ``invalid_query_params``.
        :return: The number.
        """
        text = self.query.get(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            raise invalid_query(f"Property .{name} should be an integer") from None
        if value < 1:
            raise invalid_query(f"Property .{name} cannot be lower than 1")
        if value > highest:
            raise invalid_query(f"Property .{name} cannot be greater than {highest}")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return a query parameter out of a list.

        :param name: The parameter.
        :param allowed: Its values.
        :param default: Its value when it is not sent.
        :raises ResponseError: 400 ``invalid_query_params``.
        :return: The value.
        """
        value = self.query.get(name, default)
        if value not in allowed:
            raise invalid_query(
                f"Property .{name} should be equal to one of the allowed values [ {', '.join(allowed)} ]"
            )
        return value

    def moment(self, name: str) -> str | None:
        """Return a query parameter that is a time, in Voucherify's form.

        :param name: The parameter.
        :raises ResponseError: 400 ``invalid_query_params`` (text seen in an example).
        :return: The time or None when it is not sent.
        """
        text = self.query.get(name)
        if text is None:
            return None
        moment = parse_moment(text)
        if moment is None:
            raise invalid_query(f"Property .{name} cannot be recognized as a ISO-8601 compliant date")
        return moment

    def json(self) -> Any:
        """Return the decoded body.

        :raises ResponseError: 400 ``invalid_payload``.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid_payload(f"Payload is not valid JSON: {error}") from None


class ApiResponse(Struct, kw_only=True):
    """A response of the API: a status and a JSON document, or no body."""

    status: int = 200
    document: Any = msgspec.UNSET
    headers: dict[str, str] = {}

    @classmethod
    def of_error(cls, error: ResponseError, request_id: str) -> ApiResponse:
        """Return the response for an error.

        :param error: What a handler raised.
        :param request_id: Id of the request.
        """
        return cls(status=error.code, document=error.body(request_id), headers=error.headers)


def parse_moment(text: str) -> str | None:
    """Return an ISO 8601 date or time in Voucherify's form, or None where it is neither.

    :param text: ``2016-11-16T14:14:31Z`` or ``2016-11-16``; without an offset it is UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        return None
