"""The hook: a client of the API with the settings of an Airflow connection."""

from __future__ import annotations

import asyncio
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.api.facts import Facts, parse_facts
from airflow_provider_voucherify.api.project_limit import limit_of_project
from airflow_provider_voucherify.api.quota import QUOTA_JITTER, Quota
from airflow_provider_voucherify.api.settings import Settings, base_url_of
from airflow_provider_voucherify.exceptions import ApiError, AuthenticationError, ConfigurationError, VoucherifyError
from airflow_provider_voucherify.hooks.connection_form import (
    CONNECTION_FIELDS,
    connection_form_widgets,
    ui_field_behaviour,
)
from airflow_provider_voucherify.hooks.endpoints import PlainEndpoints

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_voucherify.api.client import VoucherifyClient
    from airflow_provider_voucherify.api.transport import Transport

MAX_QUOTA_WAIT = 60.0
PRODUCT = f"airflow-provider-voucherify/{__version__}"


class VoucherifyHook(PlainEndpoints, BaseHook):
    """
    Call the Voucherify API with the host and keys of an Airflow connection.

    Its methods are the endpoints of the API, with results that XCom can keep. :meth:`get_conn` returns the client,
    which has typed results and iterates over listings.

    :param voucherify_conn_id: The connection: host (``api.voucherify.io`` when empty), login (application id),
        password (secret key) and the fields of the form in its extra.
    :param max_quota_wait: The longest sleep for the quota before one call, in seconds; a longer wait raises a
        :class:`~airflow_provider_voucherify.exceptions.QuotaError`.
    """

    conn_name_attr = "voucherify_conn_id"
    default_conn_name = "voucherify_default"
    conn_type = "voucherify"
    hook_name = "Voucherify"

    def __init__(self, voucherify_conn_id: str = default_conn_name, *, max_quota_wait: float = MAX_QUOTA_WAIT) -> None:
        super().__init__()
        self.voucherify_conn_id = voucherify_conn_id
        self.max_quota_wait = max_quota_wait
        self._deadline: float | None = None

    @cached_property
    def _client(self) -> VoucherifyClient:
        return self._connect()

    def get_conn(self) -> VoucherifyClient:
        """
        Return the client, the same one each time.

        :raises ConfigurationError: if the connection cannot work.
        """
        return self._client

    async def aget_settings(self) -> Settings:
        """
        Return the settings of the connection without blocking the event loop.

        :raises ConfigurationError: if the connection cannot work.
        """
        connection = await get_async_connection(self.voucherify_conn_id)
        return self._settings(connection, await get_async_extra_dejson(connection))

    async def aget_client(self, settings: Settings, **options: Any) -> VoucherifyClient:
        """
        Return a new client without blocking the event loop. Its calls do block: run them in a thread.

        Tokens are not registered with Airflow's masking of secrets, which must not be called from such a thread: on
        Airflow 3.0 and 3.1 that ends the triggerer (observed). The client itself logs no token.

        :param settings: What :meth:`aget_settings` returns.
        :param options: Keyword arguments of :class:`~airflow_provider_voucherify.api.transport.Transport`.
        """
        await asyncio.to_thread(import_module, "airflow_provider_voucherify.api.client")
        return self._client_of(settings, on_secret=None, **options)

    async def aget_conn(self) -> VoucherifyClient:
        """
        Return the client without blocking the event loop. The calls of the client do block: run them in a thread.

        :raises ConfigurationError: if the connection cannot work.
        """
        if "_client" not in self.__dict__:
            self.__dict__["_client"] = await self.aget_client(await self.aget_settings())
        return self._client

    @property
    def transport(self) -> Transport:
        """The transport that sends the requests."""
        return self._client.transport

    def set_deadline(self, deadline: float | None) -> None:
        """
        Limit all further requests and downloads.

        :param deadline: When the last of them has to be complete, in seconds since the epoch.
        """
        self._deadline = deadline
        if "_client" in self.__dict__:
            self.transport.set_deadline(deadline)

    def restore_quota(self, snapshot: Mapping[str, Any]) -> None:
        """
        Use what another process of this task knew of the quota.

        :param snapshot: What :meth:`~airflow_provider_voucherify.api.quota.Quota.snapshot` returned there.
        """
        self.transport.quota.restore(snapshot)

    @property
    def calls(self) -> int:
        """The number of API calls that were made."""
        return self.transport.calls if "_client" in self.__dict__ else 0

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the connection with one cheap call.

        :return: Whether it works, and a message that says whether the keys or the host are wrong.
        """
        try:
            client = self._connect(attempts=1)
        except ConfigurationError as error:
            return False, self._message(error)
        host = client.transport.settings.host
        try:
            client.list_orders(limit=1)
        except AuthenticationError as error:
            return False, f"{host} responds, and refuses the keys. {self._message(error)}"
        except ApiError as error:
            return False, f"{host} accepts the keys, and refuses the call. {self._message(error)}"
        except VoucherifyError as error:
            return False, f"{host} does not respond as Voucherify would. {self._message(error)}"
        return True, f"{host} accepts the keys."

    def _message(self, error: VoucherifyError) -> str:
        """Return the message without the connection id, which Airflow's UI makes up for a test."""
        return str(error).replace(f"connection {self.voucherify_conn_id!r}", "this connection")

    def _connect(self, **options: Any) -> VoucherifyClient:
        connection = self.get_connection(self.voucherify_conn_id)
        settings = self._settings(connection, connection.extra_dejson)
        if facts := connection.extra_dejson.get("facts"):
            settings = replace(settings, facts=self._facts(facts))
        return self._client_of(settings, on_secret=mask_secret, **options)

    def _facts(self, value: object) -> Facts:
        """Read the facts of the project, on workers alone: a trigger needs none. Warn of what they refute."""
        from airflow_provider_voucherify.probe.questions import refuted_by

        facts = parse_facts(value, f"connection {self.voucherify_conn_id!r}: facts")
        for question in refuted_by(facts.answers):
            self.log.warning(
                "Connection %r: its facts refute an assumption of this provider. %s %s. Assumed: %s.",
                self.voucherify_conn_id, question.text, facts.answers[question.name], question.assumed,
            )  # fmt: skip
        return facts

    def _settings(self, connection: Connection, extra: dict[str, Any]) -> Settings:
        if unknown := sorted(extra.keys() - CONNECTION_FIELDS.keys()):
            self.log.warning(
                "Connection %r: unknown fields in its extra are ignored: %s. Known fields: %s.",
                self.voucherify_conn_id, ", ".join(unknown), ", ".join(CONNECTION_FIELDS),
            )  # fmt: skip
        return settings_of(connection, extra)

    def _client_of(self, settings: Settings, **options: Any) -> VoucherifyClient:
        from airflow_provider_voucherify.api.client import VoucherifyClient

        project = limit_of_project(settings.base_url, settings.app_id)
        client = VoucherifyClient(
            settings,
            max_quota_wait=self.max_quota_wait,
            quota=Quota(settings.quota_reserve, project=project, jitter=QUOTA_JITTER),
            user_agent=f"{PRODUCT} (Airflow {airflow_version}; Python {platform.python_version()})",
            **options,
        )
        client.transport.set_deadline(self._deadline)
        return client

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels and placeholders of the form for Airflow below 3.2; newer versions read the provider info."""
        return ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the fields of the form for Airflow below 3.2; newer versions read the provider info."""
        return connection_form_widgets()


def settings_of(connection: Connection, extra: dict[str, Any]) -> Settings:
    """
    Convert a connection to settings, whether it was made by form, URI, JSON or environment variable.

    :param connection: The connection.
    :param extra: Its extra. A saved form writes nulls into it and a URI writes strings: both are accepted.
    :raises ConfigurationError: naming connection, field and value.
    """
    name = connection.conn_id
    given = {key: value for key, value in extra.items() if value not in (None, "")}
    optional: dict[str, Any] = {
        key: _number(name, key, given[key])
        for key in ("quota_reserve", "connect_timeout", "read_timeout")
        if key in given
    }
    optional |= {key: _text(name, key, given[key]) for key in ("oauth_scope", "dashboard_url") if key in given}
    return Settings(
        app_id=connection.login or "",
        app_token=connection.password or "",
        base_url=base_url_of(connection.host, connection.port, connection.schema, name=name),
        name=name,
        oauth=_boolean(name, "oauth", given.get("oauth", False)),
        download_hosts=_hosts(name, given.get("download_hosts", "")),
        proxies=_proxies(name, given.get("proxies", {})),
        verify=_ca_file(name, given.get("verify", "")),
        **optional,
    )


def _number(name: str, key: str, value: object) -> float:
    try:
        if isinstance(value, bool) or not math.isfinite(number := float(str(value))):
            raise ValueError
    except ValueError:
        raise ConfigurationError(f"connection {name!r}: {key} must be a number, got {value!r}.") from None
    return number


def _text(name: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"connection {name!r}: {key} must be text, got {value!r}.")
    return value


def _boolean(name: str, key: str, value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ConfigurationError(f"connection {name!r}: {key} must be true or false, got {value!r}.") from None


def _hosts(name: str, value: object) -> tuple[str, ...]:
    hosts = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise ConfigurationError(f"connection {name!r}: download_hosts must be a list of host names, got {value!r}.")
    return tuple(host.lower() for host in hosts)


def _proxies(name: str, value: object) -> Mapping[str, str]:
    proxies = value
    if isinstance(value, str):
        try:
            proxies = json.loads(value) if value.lstrip().startswith("{") else {"http": value, "https": value}
        except ValueError:
            proxies = None
    if not isinstance(proxies, dict) or not all(isinstance(part, str) for item in proxies.items() for part in item):
        # without its value, which may have credentials in it
        raise ConfigurationError(
            f"connection {name!r}: proxies must be a URL, or a JSON object of URLs by scheme, such as "
            '{"https": "http://proxy.example:3128"}.'
        )
    return proxies


def _ca_file(name: str, value: object) -> str:
    if value in (True, "true", "True"):
        return ""
    if not isinstance(value, str) or value.lower() == "false":
        raise ConfigurationError(
            f"connection {name!r}: verify must be a file or folder of certificates, got {value!r}. Certificates are "
            "always verified, as the keys would be sent to anybody otherwise."
        )
    return value
