"""Send one request and return its response: authentication, retries, quota, limits and errors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.api.auth import KeyAuth, TokenAuth, no_auth, token_of
from airflow_provider_voucherify.api.error_responses import error_from, error_response
from airflow_provider_voucherify.api.models import AccessToken
from airflow_provider_voucherify.api.quota import QUOTA_JITTER, Quota
from airflow_provider_voucherify.api.redaction import SecretUrl, one_line, urls_hidden_in_logs
from airflow_provider_voucherify.api.response_body import BodyError, error_body, read_body
from airflow_provider_voucherify.api.server_clock import ServerClock
from airflow_provider_voucherify.api.session import (
    JSON_HEADERS,
    ResponseTimeLimit,
    SessionPool,
    hint_of,
    limited,
    never_sent,
    reason_of,
)
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.api.too_many_requests import (
    is_refused,
    limits_in_error,
    observe_limits,
    wait_for_call,
)
from airflow_provider_voucherify.exceptions import (
    ApiError,
    AuthenticationError,
    ErrorResponse,
    QuotaError,
    ServerError,
    TokenUnavailableError,
    TransportError,
    UnavailableError,
    VoucherifyError,
    WaitTimeoutError,
)

ATTEMPTS = 5
MAX_QUOTA_WAIT = 60.0
RESPONSE_TIMEOUT = 300.0
MAX_BODY_BYTES = 256 << 20  # 100 orders of 500 items each (documented maxima) are some 60 MB
MAX_ERROR_BODY_BYTES = 64 << 10
# A download that is slower than this stalls: it would take more than a day for 50 MB.
STALL_SECONDS = 120.0
STALL_BYTES = 64 << 10

log = logging.getLogger(__name__)


class Transport:
    """
    Send requests to the API, from any number of threads.

    :param settings: Host, keys and timeouts.
    :param attempts: How often one request is tried at most, if it may be retried.
    :param max_quota_wait: The longest sleep for the quota before one call, in seconds. A longer wait raises a
        :class:`~airflow_provider_voucherify.exceptions.QuotaError` at once: the caller can wait in a better way.
    :param quota: Decides when calls may be made; by default by what this transport alone sees.
    :param response_timeout: The longest time for one response, in seconds; downloads are limited by how fast they
        progress instead.
    :param user_agent: Names the sender of the requests.
    :param on_secret: Called with every token as soon as it is known, so that logs can mask it.
    :param sleep: Sleeps a number of seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        attempts: int = ATTEMPTS,
        max_quota_wait: float = MAX_QUOTA_WAIT,
        quota: Quota | None = None,
        response_timeout: float = RESPONSE_TIMEOUT,
        user_agent: str = f"airflow-provider-voucherify/{__version__}",
        on_secret: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.quota = quota or Quota(settings.quota_reserve, jitter=QUOTA_JITTER)
        self.max_quota_wait = max_quota_wait
        self.server_clock = ServerClock()
        self._calls = 0
        self._calls_lock = threading.Lock()
        self._deadline: float | None = None
        self._response_timeout = response_timeout
        self._on_secret = on_secret or (lambda _secret: None)
        self._sleep = sleep
        self._attempts = attempts
        self._keys = KeyAuth(settings)
        self._token = TokenAuth(settings, self._fetch_token) if settings.oauth else None
        self._sessions = SessionPool(user_agent)

    @property
    def calls(self) -> int:
        """The number of requests that were sent."""
        return self._calls

    def set_deadline(self, deadline: float | None) -> None:
        """
        Limit all further requests and downloads.

        :param deadline: When the last of them has to be complete, in seconds since the epoch.
        """
        self._deadline = deadline

    def renew_token(self) -> None:
        """Fetch a token in the thread of the caller, if the next request would fetch one in another thread."""
        if self._token is not None:
            self._token.renew()

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = JSON_HEADERS,
        before_send: Callable[[], None] = lambda: None,
    ) -> bytes:
        """
        Send a request and return the body of its response.

        Any request is retried if it was certainly not carried out: the connection was never made, or the request was
        refused for now. An idempotent one is retried after other passing failures too.

        :param method: The HTTP method.
        :param path: The path, from ``/v1`` on, with its segments quoted.
        :param idempotent: Whether sending it twice has the same effect as sending it once.
        :param params: The query string.
        :param body: A JSON document.
        :param form: A form instead of a body, authenticated by the keys: this is how a token is requested.
        :param headers: The headers that describe the body.
        :param before_send: Called right before each attempt, after all waits: to save that the request is on its way.
        :return: The decompressed body; empty for a 204.
        :raises TransportError: if there is no response, or one that cannot be read.
        :raises ApiError: if the response is an error, in the class for its kind.
        :raises WaitTimeoutError: if the deadline is reached.
        """
        auth = self._keys if form is not None else self._auth

        def attempt() -> bytes:
            self._check_deadline(method, path)
            if auth is self._token:
                auth.renew()
            wait_for_call(
                self.quota,
                connection=self.settings.name,
                request=f"{method} {path}",
                longest=self._longest_quota_wait(),
                sleep=self._sleep,
            )
            try:
                before_send()
                response = self._send(
                    method,
                    f"{self.settings.base_url}{path}",
                    path,
                    self._response_limit(),
                    auth=auth,
                    params=params,
                    data=form if form is not None else body,
                    headers=headers if body is not None else {},
                )
                return self._body(response, method, path)
            finally:
                self.quota.end_call()

        def pause(state: tenacity.RetryCallState) -> float:
            if isinstance(_error(state), QuotaError):
                return self.quota.seconds_to_wait()
            return tenacity.wait_random_exponential(multiplier=0.5, max=30)(state)

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            retry=lambda state: self._may_retry(_error(state), idempotent, state.attempt_number),
            wait=pause,
            sleep=self._sleep_until_deadline,
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(attempt)

    def open_file(self, url: SecretUrl, name: str, *, with_keys: bool = True) -> requests.Response:
        """
        Send the request for a file, to any host, without following redirects.

        The keys are sent only if the host is trusted with them: the guide requires them, the specification names only
        the token in the URL (both documented).

        :param url: The URL, with its token.
        :param name: The name of the file in errors.
        :param with_keys: Whether the keys are sent at all.
        :return: The response, whatever its status, whose body is not read yet.
        :raises TransportError: if the host cannot be reached.
        :raises WaitTimeoutError: if the deadline is reached.
        """
        self._mask(url)
        self._check_deadline("GET", name)
        self.renew_token()
        left = None if self._deadline is None else self._seconds_left()
        with urls_hidden_in_logs():
            return self._send(
                "GET",
                url,
                name,
                ResponseTimeLimit(left, stall_seconds=STALL_SECONDS, stall_bytes=STALL_BYTES),
                auth=self._auth if with_keys else no_auth,
                headers={"Accept": "text/csv, text/plain, */*", "Accept-Encoding": "gzip"},
            )

    def error_of_file(self, response: requests.Response, name: str) -> ApiError:
        """
        Convert an error response to :meth:`open_file`.

        :param response: A response of status 400 or above.
        :param name: The name of the file in errors.
        """
        if is_refused(response):
            self._observe(response)
        if response.status_code == 401 and self._token is not None:
            self._token.discard()
        return error_from(self._error_response(response, "GET", name))

    @property
    def is_over(self) -> bool:
        """Whether the deadline is reached."""
        return self._deadline is not None and time.time() >= self._deadline

    @property
    def _auth(self) -> KeyAuth | TokenAuth:
        return self._keys if self._token is None else self._token

    # limits

    def _seconds_left(self) -> float:
        return float("inf") if self._deadline is None else max(0.0, self._deadline - time.time())

    def _response_limit(self) -> ResponseTimeLimit:
        return ResponseTimeLimit(min(self._response_timeout, self._seconds_left()))

    def _longest_quota_wait(self) -> float:
        return min(self.max_quota_wait, self._seconds_left())

    def _check_deadline(self, method: str, path: str) -> None:
        if self.is_over:
            raise WaitTimeoutError(
                f"{method} {path} with connection {self.settings.name!r}: not sent, the time limit of the task is "
                "reached."
            )

    def _sleep_until_deadline(self, seconds: float) -> None:
        self._sleep(min(seconds, self._seconds_left()))

    # one request

    def _mask(self, url: SecretUrl) -> None:
        for secret in url.secrets:
            self._on_secret(secret)

    def _send(
        self, method: str, url: str | SecretUrl, path: str, limit: ResponseTimeLimit, **kwargs: Any
    ) -> requests.Response:
        host = urlsplit(url).netloc if isinstance(url, str) else url.host
        with self._calls_lock:
            self._calls += 1
        try:
            with limited(limit), self._sessions.session() as session:
                return session.request(
                    method,
                    url if isinstance(url, str) else url.reveal(),
                    allow_redirects=False,  # by hand or not at all: keys must not follow to another host
                    timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                    stream=True,  # read_body() limits the size
                    # not of the session, whose settings those of the environment override
                    proxies=dict(self.settings.proxies) or None,
                    verify=self.settings.verify or True,
                    **kwargs,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            sent, reason, hint = limit.sent or not never_sent(error), reason_of(error), hint_of(error)
        # raised outside of the except block: its message and traceback have the URL, and that may have a token
        raise TransportError(
            f"{method} {path} with connection {self.settings.name!r}: no response from "
            f"{one_line(host.rpartition('@')[2])} ({reason})." + ("" if sent else f" {hint}"),
            sent=sent,
        )

    def _body(self, response: requests.Response, method: str, path: str) -> bytes:
        """Check a response of the API and read its body."""
        self._observe(response)
        if response.is_redirect:
            response.close()
            target = urlsplit(response.headers["Location"]).hostname or self.settings.host
            raise TransportError(
                f"{method} {path} with connection {self.settings.name!r}: {self.settings.host} redirects to "
                f"{one_line(target)}, and the keys are not sent there. Check the host of the connection.",
                sent=False,
            )
        if response.status_code >= 400:
            raise error_from(self._error_response(response, method, path))
        if not 200 <= response.status_code < 300:
            response.close()
            raise TransportError(
                f"{method} {path} with connection {self.settings.name!r}: unexpected status {response.status_code}. "
                "Check the host of the connection.",
                sent=True,
            )
        try:
            return read_body(response, MAX_BODY_BYTES)
        except BodyError as error:
            reason = str(error)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = f"its body broke off ({type(error).__name__})"
        raise TransportError(
            f"{method} {path} with connection {self.settings.name!r}: the response cannot be read: {reason}.", sent=True
        )

    def _observe(self, response: requests.Response) -> None:
        self.server_clock.observe(response.headers)
        observe_limits(self.quota, response)

    def _error_response(self, response: requests.Response, method: str, path: str) -> ErrorResponse:
        return error_response(
            response.status_code,
            error_body(response, MAX_ERROR_BODY_BYTES),
            reason=response.reason or "",
            headers=response.headers,
            connection=self.settings.name,
            request=f"{method} {path}",
            **limits_in_error(self.quota, response),
        )

    # retries

    def _may_retry(self, error: BaseException | None, idempotent: bool, attempt: int) -> bool:
        match error:
            case TokenUnavailableError():
                return False
            case QuotaError():
                return self.quota.seconds_to_wait() <= self._longest_quota_wait()
            case UnavailableError() | TransportError(sent=False):
                return True
            case TransportError() | ServerError():
                return idempotent
            case AuthenticationError(status=401) if attempt == 1 and self._token is not None:
                return self._token.discard()
            case _:
                return False

    # token

    def _fetch_token(self) -> AccessToken:
        body = self.request(
            "POST",
            "/v1/oauth/token",
            idempotent=True,
            form={"grant_type": "client_credentials", "scope": self.settings.oauth_scope},
        )
        if (token := token_of(body)) is None:
            raise TransportError(
                f"POST /v1/oauth/token with connection {self.settings.name!r}: the response is not a token.", sent=True
            )
        self._on_secret(token.access_token)
        return token


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = _error(state)
    if isinstance(error, VoucherifyError):
        seconds = state.next_action.sleep if state.next_action else 0.0
        log.warning("Attempt %d failed, next one in %.1f s: %s", state.attempt_number, seconds, error)
