"""Error responses of the API: ``{code, key, message, details, request_id, resource_id, resource_type}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ResponseError(Exception):
    """A response that is not a success.

    :param code: HTTP status.
    :param key: Short name of the kind of error; as in the official examples where one shows it, else chosen here.
    :param message: What went wrong, in short.
    :param details: What went wrong with which property.
    :param resource: Identifier and type of what was not found.
    :param headers: Further headers of the response.
    """

    def __init__(
        self,
        code: int,
        key: str,
        message: str,
        details: str | None = None,
        *,
        resource: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(details or message)
        self.code = code
        self.key = key
        self.message = message
        self.details = details
        self.resource = resource
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body.

        :param request_id: Identifier of the request.
        :return: The error object, without the properties that have no value.
        """
        body: dict[str, Any] = {"code": self.code, "key": self.key, "message": self.message}
        if self.details is not None:
            body["details"] = self.details
        body["request_id"] = request_id
        if self.resource is not None:
            body["resource_id"], body["resource_type"] = self.resource
        return body


def invalid_payload(details: str) -> ResponseError:
    """Return the 400 of a body that breaks the schema (key seen in an example).

    :param details: Property and rule, e.g. ``Property .status should be equal to ...``.
    :return: The error to raise.
    """
    return ResponseError(400, "invalid_payload", "Invalid payload", details)


def invalid_query(details: str) -> ResponseError:
    """Return the 400 of a query parameter (key seen in an example).

    :param details: Parameter and rule.
    :return: The error to raise.
    """
    return ResponseError(400, "invalid_query_params", "Invalid query params", details)


def not_found(resource_type: str, resource_id: str) -> ResponseError:
    """Return the 404 of a resource (text seen in examples).

    :param resource_type: ``order``, ``export`` or ``async_action``.
    :param resource_id: The identifier that was asked for.
    :return: The error to raise.
    """
    details = f"Cannot find {resource_type} with id {resource_id}"
    return ResponseError(404, "not_found", "Resource not found", details, resource=(resource_id, resource_type))


def unauthorized(details: str) -> ResponseError:
    """Return the 401 (code, key and message seen in an example).

    :param details: What is wrong with the keys or the token, without naming them.
    :return: The error to raise.
    """
    return ResponseError(401, "unauthorized", "Unauthorized", details)
