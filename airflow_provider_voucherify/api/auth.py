"""Keys and tokens, put on a request only where its URL is trusted with them."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests
from requests.auth import AuthBase

from airflow_provider_voucherify.api.models import AccessToken
from airflow_provider_voucherify.api.settings import Settings

RENEW_BEFORE = 60.0


class KeyAuth(AuthBase):
    """The two key headers (documented)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request, unless it goes to a host that the keys are not for."""
        if self._settings.trusts(request.url or ""):
            request.headers["X-App-Id"] = self._settings.app_id
            request.headers["X-App-Token"] = self._settings.app_token
        return request


class TokenAuth(AuthBase):
    """
    An OAuth 2.0 token, renewed a minute before its end.

    :param settings: Which hosts are trusted.
    :param fetch: Gets a new token from the API.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(
        self, settings: Settings, fetch: Callable[[], AccessToken], clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._renew_at = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign the request, unless it goes to a host that the token is not for."""
        if self._settings.trusts(request.url or ""):
            if self._token is None or self._clock() >= self._renew_at:
                self._token = self._fetch()
                self._renew_at = self._clock() + max(self._token.expires_in - RENEW_BEFORE, 1.0)
            request.headers["Authorization"] = f"Bearer {self._token.access_token}"
        return request

    def forget(self) -> bool:
        """Drop the token, as after a 401: it may have been revoked. Tell whether there was one to drop."""
        had, self._token = self._token is not None, None
        return had
