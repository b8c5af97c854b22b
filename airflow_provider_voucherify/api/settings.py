"""Settings of a client: host, keys, timeouts, and the hosts that are trusted with the keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.quota import DEFAULT_RESERVE
from airflow_provider_voucherify.exceptions import ConfigurationError, ProjectChangedError

DEFAULT_HOST = "api.voucherify.io"
VOUCHERIFY_DOMAIN = ".voucherify.io"
HOST_NAME = re.compile(r"[a-z0-9_.-]+")
DEFAULT_PORTS = {"https": 443, "http": 80}
DEFAULT_SCOPE = "orders exports async-actions"
# The page of the dashboard that lists async actions ("background tasks") and exports: documented for the default
# cluster; the hosts of the other two were seen in an example. The URL of a single action or export is unknown.
AUDIT_LOGS = {
    f"{cluster}api{VOUCHERIFY_DOMAIN}": f"https://{cluster}app{VOUCHERIFY_DOMAIN}/#/app/core/logs"
    for cluster in ("", "us1.", "as1.")
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """
    The settings of a client.

    :param app_id: The application id, sent as ``X-App-Id``.
    :param app_token: The secret key, sent as ``X-App-Token``.
    :param base_url: Scheme, host and port of the API; see :func:`base_url_of`.
    :param name: The name of these settings in errors: the id of the Airflow connection.
    :param oauth: Whether to exchange the keys for OAuth 2.0 tokens, which are valid for 900 s (documented).
    :param oauth_scope: Scopes of these tokens, separated by spaces.
    :param quota_reserve: Calls of each period that are left to others: a share of the limit when below 1, else a
        number. See :class:`~airflow_provider_voucherify.api.quota.Quota`.
    :param connect_timeout: Seconds to wait for a connection.
    :param read_timeout: Seconds to wait for the next byte of a response.
    :param download_hosts: Hosts beside ``*.voucherify.io`` that exports may be downloaded from with the keys.
    :param proxies: Proxies by scheme, as requests takes them; by default those of the environment.
    :param verify: A file or folder with the certificates of trusted authorities; by default those of requests.
    :param dashboard_url: The page of the dashboard that shows async actions and exports; see :meth:`dashboard_link`.
    :param facts: What ``voucherify-probe`` measured of the project.
    :raises ConfigurationError: if a value cannot work.
    """

    app_id: str
    app_token: str = field(repr=False)
    base_url: str = f"https://{DEFAULT_HOST}"
    name: str = "voucherify"
    oauth: bool = False
    oauth_scope: str = DEFAULT_SCOPE
    quota_reserve: float = DEFAULT_RESERVE
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    download_hosts: tuple[str, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may have credentials in them
    verify: str = ""
    dashboard_url: str = ""
    facts: Facts = field(default_factory=Facts, repr=False)

    def __post_init__(self) -> None:
        missing = [
            label
            for label, value in (("login (application id)", self.app_id), ("password (secret key)", self.app_token))
            if not value
        ]
        if missing:
            raise ConfigurationError(f"connection {self.name!r} has no {' and no '.join(missing)}.")
        for label in ("app_id", "app_token"):
            value = getattr(self, label)
            if not value.isascii() or not value.isprintable() or value != value.strip():
                raise ConfigurationError(
                    f"connection {self.name!r}: the {label} has spaces around it or characters that no key has. "
                    "Copy it again from the project settings."
                )
        for label in ("connect_timeout", "read_timeout"):
            if not 0 < getattr(self, label) < float("inf"):
                raise ConfigurationError(
                    f"connection {self.name!r}: {label} must be above 0 seconds, got {getattr(self, label)}."
                )
        if not 0 <= self.quota_reserve < float("inf"):
            raise ConfigurationError(
                f"connection {self.name!r}: quota_reserve must not be negative, got {self.quota_reserve}."
            )
        for scheme, proxy in self.proxies.items():
            _check_proxy(scheme, proxy, self.name)
        for host in self.download_hosts:
            if not HOST_NAME.fullmatch(host):
                raise ConfigurationError(
                    f"connection {self.name!r}: download_hosts must be host names in lower case, without scheme, port "
                    f"and path, got {host!r}."
                )
        if self.verify and not Path(self.verify).exists():
            raise ConfigurationError(
                f"connection {self.name!r}: verify names no file or folder of certificates on this machine: "
                f"{self.verify!r}."
            )
        url = urlsplit(self.base_url)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise ConfigurationError(
                f"connection {self.name!r}: {self.base_url} would send the keys unencrypted. "
                "Use https; http is for the local host alone."
            )
        if self.dashboard_url:
            _check_dashboard_url(self.dashboard_url, self.name)

    @property
    def project(self) -> str:
        """The host and application id: what the state of a job belongs to. It is not secret."""
        return f"{urlsplit(self.base_url).netloc}/{self.app_id}"

    def check_project(self, started: str) -> None:
        """
        Check that these settings still lead to the project that something was started in.

        :param started: The :attr:`project` at that time.
        :raises ProjectChangedError: if they lead to another one, naming both.
        """
        if self.project != started:
            raise ProjectChangedError(
                f"connection {self.name!r} was edited while a task waited: it led to the project {started}, and leads "
                f"to {self.project} now. What the task waits for is not there: restore the connection, and clear the "
                "task."
            )

    @property
    def host(self) -> str:
        """Host name of the API, without port."""
        return urlsplit(self.base_url).hostname or ""

    def trusts(self, url: str) -> bool:
        """
        Return whether the keys may be sent to a URL.

        :param url: An absolute URL.
        :return: True for the API itself, its download hosts, and hosts that the connection names: over https, unless
            it is the local host.
        """
        target = urlsplit(url)
        host = (target.hostname or "").lower()
        if target.scheme != "https" and not (target.scheme == "http" and is_loopback(host)):
            return False
        if is_loopback(host) and is_loopback(self.host):
            return True
        if host == self.host or host in self.download_hosts:
            return True
        return self.host.endswith(VOUCHERIFY_DOMAIN) and host.endswith(VOUCHERIFY_DOMAIN)

    def dashboard_link(self, resource: str, object_id: str) -> str | None:
        """
        Return the URL of an object in the dashboard.

        :param resource: Its kind as the API names it: ``async-actions`` or ``exports``.
        :param object_id: Its id.
        :return: The ``dashboard_url`` with ``{resource}`` and ``{id}`` replaced; without one, the audit log of a shared
            cluster, which lists the object; None if neither is known.
        """
        url = self.dashboard_url or AUDIT_LOGS.get(self.host)
        return url and url.replace("{resource}", resource).replace("{id}", quote(object_id, safe=""))


def base_url_of(host: str | None, port: int | None = None, scheme: str | None = None, *, name: str) -> str:
    """
    Build the URL of the API from the fields of a connection.

    :param host: ``us1.api.voucherify.io``, with or without ``https://`` before it; empty for the European cluster.
    :param port: The port, if it is not the default of the scheme.
    :param scheme: ``http`` or ``https``, if the host has none; ``https`` by default.
    :param name: The name of the connection, for errors.
    :raises ConfigurationError: if the host is not a host name, or has a path after it.
    """
    typed = (host or "").strip() or DEFAULT_HOST
    if "://" not in typed:
        typed = f"{scheme or 'https'}://{typed}"
    try:
        url = urlsplit(typed)
        own_port = url.port
    except ValueError as error:
        raise ConfigurationError(f"connection {name!r}: host {host!r} is not valid: {error}.") from None
    if url.scheme not in ("http", "https"):
        raise ConfigurationError(f"connection {name!r}: scheme {url.scheme!r} is neither https nor http.")
    if url.username or url.password:
        raise ConfigurationError(f"connection {name!r}: the host has keys in it; use login and password.")
    if not url.hostname or any(character.isspace() for character in url.hostname):
        raise ConfigurationError(f"connection {name!r}: host {host!r} is not a host name.")
    if url.path.strip("/") or url.query or url.fragment:
        raise ConfigurationError(
            f"connection {name!r}: host {host!r} must end after the host name; remove {url.path or url.query!r}."
        )
    hostname = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    number = own_port or port
    return f"{url.scheme}://{hostname}" + (f":{number}" if number and number != DEFAULT_PORTS[url.scheme] else "")


def _check_proxy(scheme: str, proxy: str, name: str) -> None:
    if scheme.partition("://")[0] not in ("http", "https", "all"):
        raise ConfigurationError(f"connection {name!r}: proxies has an unknown scheme {scheme!r}: use http or https.")
    try:
        url = urlsplit(proxy)
        valid = bool(url.hostname) and url.scheme in ("http", "https", "socks5", "socks5h") and url.port != 0
    except ValueError:
        valid = False
    if not valid:  # without its value, which may have credentials in it
        raise ConfigurationError(
            f"connection {name!r}: the proxy for {scheme!r} must be a URL such as http://proxy.example:3128."
        )


def _check_dashboard_url(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"connection {name!r}: dashboard_url {url!r} is not valid: {error}.") from None
    if parts.username or parts.password:
        raise ConfigurationError(
            f"connection {name!r}: dashboard_url has keys in it, and everybody sees it: remove them."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"connection {name!r}: dashboard_url must begin with https://, got {url!r}.")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is the local host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
