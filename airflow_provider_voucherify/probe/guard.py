"""Refuse to probe a project that is not certainly a sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.endpoints import PAGE_SIZE
from airflow_provider_voucherify.api.settings import is_loopback
from airflow_provider_voucherify.exceptions import ApiError, ProjectRefusedError, TransportError
from airflow_provider_voucherify.probe.rates import SANDBOX_LIMIT, RateRecorder

MARKER = "voucherify_probe"
MAX_FOREIGN_ORDERS = 50
LIVE_NAME = re.compile(r"(?:^|[^a-z])(?:live|prod|production)(?:[^a-z]|$)")


def check_project(
    client: VoucherifyClient, rates: RateRecorder, *, confirmed_id: str | None, not_a_sandbox: bool
) -> float:
    """
    Refuse a project that is not a sandbox, unless the caller says twice that it is meant.

    A sandbox is known by its rate limit, 100 calls an hour on any plan (documented), and by having hardly any orders
    but those of earlier probes. An emulator on this machine says itself what it is.

    :param client: The project.
    :param rates: Records the rate headers of the client.
    :param confirmed_id: The application id of the project that is meant.
    :param not_a_sandbox: Whether the caller knows that it is not a sandbox.
    :raises ProjectRefusedError: naming all that speaks against it, before anything was written.
    :return: How many times as fast time passes there: 1 but for an emulator.
    """
    settings = client.transport.settings
    if confirmed_id is not None and confirmed_id != settings.app_id:
        raise ProjectRefusedError(
            f"The keys are those of the project {settings.app_id}, and the one that is meant is {confirmed_id}."
        )
    reasons = list(_live_names(settings.app_id, settings.app_token, settings.name, settings.host))
    reasons += _foreign_orders(client)
    time_scale = _time_scale(client)
    reasons += _foreign_limit(rates, time_scale)
    if reasons and not (confirmed_id is not None and not_a_sandbox):
        raise ProjectRefusedError(
            f"The project {settings.app_id} at {settings.host} does not look like a sandbox: {'; '.join(reasons)}. "
            "The probe creates orders, which cannot be deleted at Voucherify, so nothing was done. Use the keys of a "
            "sandbox project. If this project is meant nevertheless, say so twice: --yes-this-project-id "
            f"{settings.app_id} and --not-a-sandbox."
        )
    return time_scale or 1.0


def marker_of(order: dict[str, Any]) -> str | None:
    """
    Return the session of a probe that made an order.

    :param order: An order of a listing.
    :return: None for an order of anybody else.
    """
    metadata = order.get("metadata")
    return metadata.get(MARKER) if isinstance(metadata, dict) else None


def _live_names(app_id: str, app_token: str, name: str, host: str) -> Iterable[str]:
    for label, text in (("application id", app_id), ("secret key", app_token), ("connection", name), ("host", host)):
        if LIVE_NAME.search(text.lower()):
            yield f"the name of its {label} is that of a live one"


def _foreign_orders(client: VoucherifyClient) -> Iterable[str]:
    """Look at both ends of the list: a shop has orders of its own before or after those of a probe."""
    oldest = client.list_orders(limit=PAGE_SIZE, sort_order="created_at")
    pages = [oldest]
    if oldest.total > len(oldest.orders):
        pages.append(client.list_orders(limit=PAGE_SIZE, sort_order="-created_at"))
    foreign = max(sum(marker_of(order) is None for order in page.orders) for page in pages)
    if foreign > MAX_FOREIGN_ORDERS:
        yield f"it has {oldest.total:,} orders, and not of probes alone"


def _foreign_limit(rates: RateRecorder, time_scale: float | None) -> Iterable[str]:
    limit = rates.limit_of("call")
    if limit is None:
        if time_scale is None:
            yield "its responses have no rate headers that would show the limit of a sandbox"
    elif limit != SANDBOX_LIMIT:
        yield f"its keys are live ones: their limit is {limit} calls, that of a sandbox {SANDBOX_LIMIT} an hour"
    elif not rates.is_hourly(time_scale or 1.0):
        yield (
            f"its keys may be live ones: the period of {limit} calls ends within a minute, that of a sandbox is an "
            "hour (if this is one whose hour just ends, try again in a minute)"
        )


def _time_scale(client: VoucherifyClient) -> float | None:
    """Ask an emulator on this machine how fast its time passes; None if it is not an emulator."""
    if not is_loopback(client.transport.settings.host):
        return None
    try:
        body = client.transport.request("GET", "/emulator/options", idempotent=True)
        return float(msgspec.json.decode(body)["speed"])
    except (ApiError, TransportError, msgspec.DecodeError, KeyError, TypeError):
        return None
