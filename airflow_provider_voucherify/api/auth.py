"""Authenticate requests with keys or an OAuth 2.0 token, only where the URL is trusted with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec
import requests
from requests.auth import AuthBase

from airflow_provider_voucherify.api.models import AccessToken
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.exceptions import (
    ServerError,
    TokenUnavailableError,
    TransportError,
    UnavailableError,
)

RENEW_BEFORE = 60.0


class KeyAuth(AuthBase):
    """
    Authenticate with the two key headers (documented).

    :param settings: The keys, and the hosts that are trusted with them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the keys, unless the host is not trusted with them."""
        if self._settings.trusts(request.url or ""):
            request.headers["X-App-Id"] = self._settings.app_id
            request.headers["X-App-Token"] = self._settings.app_token
        return request


class TokenAuth(AuthBase):
    """
    Authenticate with an OAuth 2.0 token, which is renewed a minute before it expires.

    :param settings: The hosts that are trusted with the token.
    :param fetch: Fetches a new token from the API.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self, settings: Settings, fetch: Callable[[], AccessToken], clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._renew_at = 0.0
        self._lock = threading.Lock()

    def renew(self) -> None:
        """
        Fetch a token if there is none, or if it expires soon. Call this before a request is sent.

        :raises TokenUnavailableError: if it cannot be fetched for now. Its failure must not be taken for one of
            the request, which was not sent.
        """
        with self._lock:
            if self._token is None or self._clock() >= self._renew_at:
                try:
                    self._token = self._fetch()
                except (TransportError, ServerError, UnavailableError) as error:
                    raise TokenUnavailableError(f"No OAuth 2.0 token could be fetched. {error}") from error
                self._renew_at = self._clock() + max(self._token.expires_in - RENEW_BEFORE, 1.0)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token, unless the host is not trusted with it."""
        token = self._token
        if token is not None and self._settings.trusts(request.url or ""):
            request.headers["Authorization"] = f"Bearer {token.access_token}"
        return request

    def discard(self) -> bool:
        """Discard the token, for example after a 401: it may have been revoked. Return whether there was one."""
        with self._lock:
            existed, self._token = self._token is not None, None
        return existed


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send a request without keys; without this, requests would look for credentials of the host in a ``.netrc``."""
    return request


def token_of(body: bytes) -> AccessToken | None:
    """
    Decode the response to the request for a token.

    :param body: The body of the response.
    :return: The token; None if the response has none that a header can carry.
    """
    try:
        token = msgspec.json.decode(body, type=AccessToken)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return token if token.access_token.isascii() and token.access_token.isprintable() else None
