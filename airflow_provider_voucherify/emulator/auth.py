"""Authentication: the key pair of the project, and OAuth tokens made with it."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct

from airflow_provider_voucherify.emulator.errors import ResponseError, unauthorized
from airflow_provider_voucherify.emulator.ids import derived_id
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.request import ApiRequest, ApiResponse

_SCOPES = frozenset(
    [
        "api",
        "assets",
        "async-actions",
        "campaigns",
        "categories",
        "client_api",
        "client_consents",
        "client_customers",
        "client_events",
        "client_promotions",
        "client_publish",
        "client_qualifications",
        "client_redeem",
        "client_redemptions",
        "client_validate",
        "client_validations",
        "client_vouchers",
        "consents",
        "customers",
        "events",
        "exports",
        "locations",
        "loyalties",
        "metadata-schemas",
        "orders",
        "product-collections",
        "products",
        "promotions",
        "publications",
        "qualifications",
        "redemptions",
        "referrals",
        "rewards",
        "segments",
        "skus",
        "task-results",
        "templates",
        "trash-bin",
        "validation-rules-assignments",
        "validation-rules",
        "validations",
        "vouchers",
    ]
)


class OAuthToken(Struct, frozen=True):
    """An OAuth token that was issued.

    :param scope: Space-separated, as asked for.
    :param expires_at: Unix seconds.
    """

    scope: str
    expires_at: float


class Authentication:
    """The check of every call, and the endpoints under ``/v1/oauth``.

    :param options: Keys of the project, life and number of tokens.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._client_id = derived_id("", options.app_id)[:21]
        self._lock = threading.Lock()
        self._tokens: dict[str, OAuthToken] = {}

    def reset(self) -> None:
        """Forget all tokens."""
        with self._lock:
            self._tokens.clear()

    def check(self, headers: Mapping[str, str], scope: str | None) -> bool:
        """Refuse a call that is not allowed.

        :param headers: Headers by lower-case name.
        :param scope: The OAuth scope that allows the call besides ``api``; None where only the key pair is accepted.
        :raises ResponseError: 401. That a token without the scope gets a 401 is a guess: no 403 is documented.
        :return: Whether it came with a token, not with the keys.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and scope is not None:
            known = self._find(token.strip())
            if known is None:
                raise unauthorized("The OAuth token does not exist, has expired or was revoked")
            if not {"api", scope} & set(known.scope.split()):
                raise unauthorized(f"The OAuth token has no scope for this call: it needs api or {scope}")
            return True
        self._check_keys(headers)
        return False

    def _check_keys(self, headers: Mapping[str, str]) -> None:
        right_id = hmac.compare_digest(headers.get("x-app-id", "").encode(), self._options.app_id.encode())
        right_token = hmac.compare_digest(headers.get("x-app-token", "").encode(), self._options.app_token.encode())
        if not (right_id and right_token):
            raise unauthorized("Cannot authorize with the X-App-Id and X-App-Token of this request")

    def create_token(self, request: ApiRequest) -> dict[str, Any]:
        """``POST /v1/oauth/token``: issue a token for client credentials (errors: seen in examples)."""
        form = _form(request)
        if form.get("grant_type") != "client_credentials":
            raise ResponseError(400, "invalid_grant_type", "Invalid grant_type")
        scope = form.get("scope", "")
        if not scope.split() or not set(scope.split()) <= _SCOPES:
            raise ResponseError(400, "invalid_scope", f"Invalid scope: {scope}")
        now = time.time()
        token = secrets.token_urlsafe(38)[:50]
        with self._lock:
            self._tokens = {name: known for name, known in self._tokens.items() if known.expires_at > now}
            if len(self._tokens) >= self._options.oauth_token_limit:
                details = f"A project can have {self._options.oauth_token_limit} OAuth tokens at a time"
                raise ResponseError(400, "oauth_tokens_limit_exceeded", "Too many OAuth tokens", details)
            self._tokens[token] = OAuthToken(scope, now + self._options.oauth_token_seconds)
            return self._document(token, self._tokens[token])

    def introspect_token(self, request: ApiRequest) -> dict[str, Any]:
        """``POST /v1/oauth/introspect``: a token that is not there is inactive (documented)."""
        token = _form(request).get("access_token")
        if not token:
            raise ResponseError(400, "missing_parameters", "Missing parameters")
        known = self._find(token)
        return {"active": False} if known is None else {**self._document(token, known), "active": True}

    def revoke_token(self, request: ApiRequest) -> ApiResponse:
        """``POST /v1/oauth/token/revoke``: 204, or an empty 404 (documented)."""
        token = _form(request).get("access_token", "")
        alive = self._find(token) is not None
        with self._lock:
            self._tokens.pop(token, None)
        return ApiResponse(status=204 if alive else 404)

    def _find(self, token: str) -> OAuthToken | None:
        with self._lock:
            known = self._tokens.get(token)
        return known if known is not None and known.expires_at > time.time() else None

    def _document(self, token: str, known: OAuthToken) -> dict[str, Any]:
        return {
            "access_token": token,
            "client_id": self._client_id,
            "expires_at": int(known.expires_at),
            "expires_in": max(int(known.expires_at - time.time() + 0.5), 0),
            "scope": known.scope,
            "token_type": "Bearer",
        }


def _form(request: ApiRequest) -> dict[str, str]:
    try:
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
    except (UnicodeDecodeError, ValueError):
        raise ResponseError(400, "missing_parameters", "Missing parameters", "The body is not a form") from None
    return {name: values[-1] for name, values in fields.items()}
