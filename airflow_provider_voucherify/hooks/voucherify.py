"""From an Airflow connection to a Voucherify client."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.settings import Settings, base_url_of
from airflow_provider_voucherify.exceptions import ApiError, AuthenticationError, ConfigurationError, VoucherifyError
from airflow_provider_voucherify.get_provider_info import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_voucherify.api.client import VoucherifyClient
    from airflow_provider_voucherify.api.transport import Transport

MAX_QUOTA_WAIT = 60.0


class VoucherifyHook(Endpoints, BaseHook):
    """
    Calls Voucherify with the host and keys of an Airflow connection.

    Its methods are the endpoints of :class:`~airflow_provider_voucherify.api.endpoints.Endpoints`.

    :param voucherify_conn_id: The connection: host (``api.voucherify.io`` when empty), login (application id),
        password (secret key) and the fields of the form in its extra.
    :param max_quota_wait: Seconds to sleep at most for the quota before one call; where more are needed, a
        :class:`~airflow_provider_voucherify.exceptions.QuotaError` is raised.
    """

    conn_name_attr = "voucherify_conn_id"
    default_conn_name = "voucherify_default"
    conn_type = "voucherify"
    hook_name = "Voucherify"

    def __init__(self, voucherify_conn_id: str = default_conn_name, *, max_quota_wait: float = MAX_QUOTA_WAIT) -> None:
        super().__init__()
        self.voucherify_conn_id = voucherify_conn_id
        self.max_quota_wait = max_quota_wait

    @cached_property
    def _client(self) -> VoucherifyClient:
        connection = self.get_connection(self.voucherify_conn_id)
        return self._connect(connection, connection.extra_dejson)

    def get_conn(self) -> VoucherifyClient:
        """
        Get the client; the same one each time.

        :raises ConfigurationError: if the connection cannot work.
        """
        return self._client

    async def aget_conn(self) -> VoucherifyClient:
        """
        Get the client from an event loop, which it does not block. The client's calls do: use a thread.

        :raises ConfigurationError: if the connection cannot work.
        """
        if "_client" not in self.__dict__:
            connection = await get_async_connection(self.voucherify_conn_id)
            extra = await get_async_extra_dejson(connection)
            self.__dict__["_client"] = await asyncio.to_thread(self._connect, connection, extra)
        return self._client

    @property
    def transport(self) -> Transport:
        """What sends the requests."""
        return self._client.transport

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return self.transport.calls if "_client" in self.__dict__ else 0

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection with one cheap call.

        :return: Whether it works, and if not, whether it is the keys or the host.
        """
        try:
            connection = self.get_connection(self.voucherify_conn_id)
            client = self._connect(connection, connection.extra_dejson, attempts=1)
        except ConfigurationError as error:
            return False, self._told(error)
        host = client.transport.settings.host
        try:
            client.list_orders(limit=1)
        except AuthenticationError as error:
            return False, f"{host} answers, and refuses the keys. {self._told(error)}"
        except ApiError as error:
            return False, f"{host} accepts the keys, and refuses the call. {self._told(error)}"
        except VoucherifyError as error:
            return False, f"{host} does not answer as Voucherify would. {self._told(error)}"
        return True, f"{host} accepts the keys."

    def _told(self, error: VoucherifyError) -> str:
        """Leave the id out, which Airflow's UI makes up for a test."""
        return str(error).replace(f"connection {self.voucherify_conn_id!r}", "this connection")

    def _connect(self, connection: Connection, extra: dict[str, Any], **options: Any) -> VoucherifyClient:
        from airflow_provider_voucherify.api.client import VoucherifyClient

        if unread := sorted(extra.keys() - CONNECTION_FIELDS.keys()):
            self.log.warning(
                "Connection %r: nothing reads %s of its extra. Known are %s.",
                self.voucherify_conn_id, ", ".join(unread), ", ".join(CONNECTION_FIELDS),
            )  # fmt: skip
        settings = settings_of(connection, extra)
        return VoucherifyClient(settings, max_quota_wait=self.max_quota_wait, on_secret=mask_secret, **options)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Name the fields of the form, on Airflow below 3.2; later ones read the provider info."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Add the fields of the form, on Airflow below 3.2; later ones read the provider info."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import BooleanField, StringField
        from wtforms.validators import Optional

        def widget(field: dict[str, Any]) -> Any:
            told = {"label": field["label"], "description": field["description"], "validators": [Optional()]}
            if "boolean" in field["schema"]["type"]:
                return BooleanField(**told)
            # numbers too: these versions know integers alone, and drop a hook that has another kind of field
            return StringField(**told, widget=BS3TextFieldWidget())

        return {name: widget(field) for name, field in CONNECTION_FIELDS.items()}


def settings_of(connection: Connection, extra: dict[str, Any]) -> Settings:
    """
    Read a connection, made by form, URI, JSON or environment variable.

    :param connection: The connection.
    :param extra: Its extra. A saved form writes nulls and a URI writes strings into it: both are read.
    :raises ConfigurationError: naming connection, field and value.
    """
    name = connection.conn_id
    given = {key: value for key, value in extra.items() if value not in (None, "")}
    optional: dict[str, Any] = {
        key: _number(name, key, given[key])
        for key in ("quota_reserve", "connect_timeout", "read_timeout")
        if key in given
    }
    optional |= {key: str(given[key]) for key in ("oauth_scope", "dashboard_url") if key in given}
    hosts = given.get("download_hosts", "")
    return Settings(
        app_id=connection.login or "",
        app_token=connection.password or "",
        base_url=base_url_of(connection.host, connection.port, connection.schema, name=name),
        name=name,
        oauth=_boolean(name, "oauth", given.get("oauth", False)),
        download_hosts=tuple(hosts.replace(",", " ").split() if isinstance(hosts, str) else hosts),
        **optional,
    )


def _number(name: str, key: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise ConfigurationError(f"connection {name!r}: {key} must be a number, got {value!r}.") from None


def _boolean(name: str, key: str, value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ConfigurationError(f"connection {name!r}: {key} must be true or false, got {value!r}.") from None
