"""One request and its answer: signing, retries, quota, errors. Knows HTTP, and nothing of orders."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import msgspec
import requests
import tenacity
import urllib3.exceptions

from airflow_provider_voucherify.api.auth import KeyAuth, TokenAuth
from airflow_provider_voucherify.api.download import Download
from airflow_provider_voucherify.api.errors import error_for
from airflow_provider_voucherify.api.models import AccessToken
from airflow_provider_voucherify.api.quota import Quota, server_time
from airflow_provider_voucherify.api.repeat import Repeat
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.exceptions import (
    AuthenticationError,
    ErrorResponse,
    QuotaError,
    ServerError,
    TransportError,
    VoucherifyError,
)

API_VERSION = "v2018-08-01"
ATTEMPTS = 5
MAX_QUOTA_WAIT = 60.0
MAX_REDIRECTS = 3

log = logging.getLogger(__name__)


class _HideTokens(logging.Filter):
    """urllib3 logs the paths of its requests, and that of a download has its token or signature in the query."""

    _secret = re.compile(r"\b(token|sig|signature|x-amz-[\w-]+|x-goog-[\w-]+)=[^&\s]+", re.IGNORECASE)

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                self._secret.sub(r"\1=***", arg) if isinstance(arg, str) else arg for arg in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_HideTokens())


class Transport:
    """
    Sends requests to the API.

    :param settings: Host, keys and timeouts.
    :param attempts: How often one request is tried at most, where it may be tried again.
    :param max_quota_wait: Seconds to sleep at most for the quota before one call; where more are needed, a
        :class:`~.errors.QuotaError` is raised at once, so that the caller can wait in a better way.
    :param on_secret: Told every token as soon as it is known, so that logs can mask it.
    :param sleep: Sleeps a number of seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        attempts: int = ATTEMPTS,
        max_quota_wait: float = MAX_QUOTA_WAIT,
        on_secret: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.quota = Quota(settings.quota_reserve)
        self.max_quota_wait = max_quota_wait
        self.calls = 0
        self.server_offset: float | None = None
        self._on_secret = on_secret or (lambda _secret: None)
        self._sleep = sleep
        self._attempts = attempts
        self._keys = KeyAuth(settings)
        self._auth = TokenAuth(settings, self._fetch_token) if settings.oauth else self._keys
        self._session = requests.Session()
        self._session.headers.update({"X-Voucherify-API-Version": API_VERSION, "Accept": "application/json"})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        repeat: Repeat,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        form: Mapping[str, str] | None = None,
    ) -> bytes:
        """
        Send a request and return the body of its answer.

        :param method: The HTTP method.
        :param path: The path, from ``/v1`` on, with its parts quoted.
        :param repeat: When the request may be sent again.
        :param params: The query string.
        :param body: A JSON document.
        :param form: A form instead of a body, authorised by the keys: the way to a token.
        :return: The body; empty for a 204.
        :raises TransportError: if there is no answer, or none that the API would give.
        :raises ApiError: if the answer is an error, in the class for its kind.
        """

        def attempt() -> bytes:
            self._respect_quota(method, path)
            answer = self._send(
                method,
                f"{self.settings.base_url}{path}",
                auth=self._keys if form is not None else self._auth,
                params=params,
                data=form if form is not None else body,
                headers={"Content-Type": "application/json"} if body is not None else {},
            )
            return self._checked(answer, method, path)

        def pause(state: tenacity.RetryCallState) -> float:
            if isinstance(_error(state), QuotaError):
                return self.quota.seconds_to_wait()
            return tenacity.wait_random_exponential(multiplier=0.5, max=30)(state)

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            retry=lambda state: self._may_repeat(_error(state), repeat, state.attempt_number),
            wait=pause,
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(attempt)

    def download(self, url: str) -> Download:
        """
        Open a file of an export.

        The keys go along where the host is trusted: the guide asks for them, the spec names the token in the
        URL alone (both documented). A redirect to another host is followed without them.

        :param url: The URL, with its token.
        :return: The open download, as sent: see :class:`~.download.Download` for its encoding.
        :raises AuthenticationError: if the token expired (401, documented).
        :raises TransportError: if the host cannot be reached, or is not https.
        """
        for secret in parse_qs(urlsplit(url).query).get("token", []):
            self._on_secret(secret)
        for _ in range(MAX_REDIRECTS + 1):
            target = urlsplit(url)
            if target.scheme != "https" and not self.settings.trusts(url):
                raise TransportError(
                    f"GET {target.path} with connection {self.settings.name!r}: the download at "
                    f"{target.scheme}://{target.hostname} is not https.",
                    sent=False,
                )
            answer = self._send(
                "GET",
                url,
                auth=self._auth,
                headers={"Accept": "text/csv, text/plain, */*", "Accept-Encoding": "gzip"},
                stream=True,
            )
            if not answer.is_redirect:
                break
            answer.close()
            url = urljoin(url, answer.headers["Location"])
        if answer.status_code != 200:
            with answer:
                self._checked(answer, "GET", target.path)
        return Download(answer, f"{target.path} with connection {self.settings.name!r}")

    def _respect_quota(self, method: str, path: str) -> None:
        wait = self.quota.seconds_to_wait()
        if wait > self.max_quota_wait:
            quota = self.quota
            raise QuotaError(
                ErrorResponse(
                    connection=self.settings.name,
                    request=f"{method} {path}",
                    status=429,
                    message=f"not sent, to leave {quota.reserved_calls:g} calls to others",
                    limit=quota.limit,
                    remaining=quota.remaining,
                    retry_at=quota.retry_at,
                )
            )
        if wait:
            log.info("Waiting %.1f s for the quota: %s of %s calls left.", wait, self.quota.remaining, self.quota.limit)
            self._sleep(wait)

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        target = urlsplit(url)
        what = f"{method} {target.path} with connection {self.settings.name!r}"
        self.calls += 1
        try:
            return self._session.request(
                method,
                url,
                allow_redirects=False,  # by hand or not at all: keys must not follow to another host
                timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                **kwargs,
            )
        except requests.RequestException as error:
            # the text of these errors has the URL in it, and the URL may have a token
            sent = not _never_sent(error)
            reason = _reason(error)
            raise TransportError(
                f"{what}: no answer from {target.netloc.rpartition('@')[2]} ({reason})."
                + ("" if sent else " Check the host of the connection and the network."),
                sent=sent,
            ) from None

    def _checked(self, answer: requests.Response, method: str, path: str) -> bytes:
        self.server_offset = server_time(answer.headers, now := time.time()) - now
        self.quota.observe(answer.headers, refused=answer.status_code == 429)
        if answer.is_redirect:
            raise TransportError(
                f"{method} {path} with connection {self.settings.name!r}: {self.settings.host} redirects to "
                f"{urlsplit(answer.headers['Location']).hostname}, and the keys do not go there. "
                "Check the host of the connection.",
                sent=False,
            )
        if answer.status_code >= 400:
            raise error_for(self._error_answer(answer, method, path))
        return answer.content

    def _error_answer(self, answer: requests.Response, method: str, path: str) -> ErrorResponse:
        try:
            told = msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, requests.RequestException):
            told = None
        told = told if isinstance(told, dict) else {}
        return ErrorResponse(
            connection=self.settings.name,
            request=f"{method} {path}",
            status=answer.status_code,
            message=_text(told.get("message")) or answer.reason or "no message",
            key=_text(told.get("key")),
            details=_text(told.get("details")),
            request_id=_text(told.get("request_id")),
            resource_id=_text(told.get("resource_id")),
            limit_type=answer.headers.get("X-Rate-Limit-Type"),
            limit=self.quota.limit if answer.status_code == 429 else None,
            remaining=self.quota.remaining if answer.status_code == 429 else None,
            retry_at=self.quota.retry_at if answer.status_code == 429 else None,
        )

    def _may_repeat(self, error: BaseException | None, repeat: Repeat, attempt: int) -> bool:
        match error:
            case QuotaError():
                return self.quota.seconds_to_wait() <= self.max_quota_wait
            case TransportError(sent=False):
                return True
            case TransportError() | ServerError():
                return repeat is Repeat.SAFE
            case AuthenticationError(status=401) if attempt == 1 and isinstance(self._auth, TokenAuth):
                return self._auth.forget()
            case _:
                return False

    def _fetch_token(self) -> AccessToken:
        body = self.request(
            "POST",
            "/v1/oauth/token",
            repeat=Repeat.SAFE,
            form={"grant_type": "client_credentials", "scope": self.settings.oauth_scope},
        )
        token = msgspec.json.decode(body, type=AccessToken)
        self._on_secret(token.access_token)
        return token


def _never_sent(error: requests.RequestException) -> bool:
    """Tell whether the connection was never made; in doubt it was."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.SSLError,
    ) or isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema)


def _reason(error: requests.RequestException) -> str:
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    below = getattr(cause, "__cause__", None)
    if isinstance(below, OSError) and below.strerror:
        return below.strerror
    return type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = _error(state)
    if isinstance(error, VoucherifyError):
        seconds = state.next_action.sleep if state.next_action else 0.0
        log.warning("Attempt %d failed, next one in %.1f s: %s", state.attempt_number, seconds, error)
