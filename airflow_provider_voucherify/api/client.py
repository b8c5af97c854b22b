"""The client of the API."""

from __future__ import annotations

from typing import Any, Self

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.api.transport import Transport


class VoucherifyClient(Endpoints):
    """
    A client of one Voucherify project. Use it as a context manager, which closes its connections.

    :param settings: Host, keys and timeouts.
    :param options: Keyword arguments of :class:`~airflow_provider_voucherify.api.transport.Transport`.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._transport = Transport(settings, **options)

    @property
    def transport(self) -> Transport:
        """The transport that sends the requests."""
        return self._transport

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._transport.close()
