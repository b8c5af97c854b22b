"""OAuth tokens: how long they live, and what one without the scope gets."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_voucherify.api.auth import token_of
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.facts import NOT_TOLD
from airflow_provider_voucherify.exceptions import AuthenticationError, NotFoundError
from airflow_provider_voucherify.probe.experiments.created import REFUSALS, refusal
from airflow_provider_voucherify.probe.lab import Lab

OTHER_SCOPE = "vouchers"


def fetch_tokens(lab: Lab) -> None:
    """
    Fetch a token, and list orders with one that is for vouchers.

    :param lab: The project.
    """
    transport, session = lab.client.transport, lab.session
    form = {"grant_type": "client_credentials", "scope": OTHER_SCOPE}
    try:
        token = token_of(transport.request("POST", "/v1/oauth/token", idempotent=True, form=form))
    except (AuthenticationError, NotFoundError, *REFUSALS) as error:
        for question in ("oauth_token_seconds", "missing_scope"):
            session.found(question, NOT_TOLD, f"no token: {refusal(error)}")
        return
    session.found("oauth_token_seconds", token and token.expires_in, f"expires_in {token and token.expires_in}")
    settings = replace(transport.settings, oauth=True, oauth_scope=OTHER_SCOPE)
    with VoucherifyClient(settings, attempts=1, quota=lab.rates) as client:
        try:
            client.list_orders(limit=1)
        except AuthenticationError as error:
            session.found("missing_scope", error.response.status, refusal(error))
        else:
            session.found("missing_scope", "allowed", f"orders were listed with the scope {OTHER_SCOPE}")
        finally:
            lab.count_calls(client.transport.calls)
