"""
A client of the Voucherify API for orders, async actions and exports, without Airflow.

::

    from airflow_provider_voucherify.api import Settings, VoucherifyClient

    with VoucherifyClient(Settings(app_id="…", app_token="…")) as client:
        page = client.list_orders(limit=100)

What is known of the API, and how certain it is, is in ``docs/voucherify-api.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.api.settings import Settings

if TYPE_CHECKING:
    from airflow_provider_voucherify.api.client import VoucherifyClient

__all__ = ["Settings", "VoucherifyClient"]


def __getattr__(name: str) -> Any:
    # loaded on first use: it imports requests, which takes longer than all else here, and a parsed DAG file needs none
    if name == "VoucherifyClient":
        from airflow_provider_voucherify.api.client import VoucherifyClient

        return VoucherifyClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
