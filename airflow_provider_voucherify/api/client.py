"""The API without Airflow."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.api.transport import Transport


class VoucherifyClient(Endpoints):
    """
    Calls Voucherify.

    :param settings: Host and keys.
    :param options: See :class:`~.transport.Transport`.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._transport = Transport(settings, **options)

    @property
    def transport(self) -> Transport:
        """What sends the requests."""
        return self._transport

    def __enter__(self) -> VoucherifyClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._transport.close()
