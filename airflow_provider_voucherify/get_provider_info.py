"""What Airflow discovers of this provider."""

from __future__ import annotations

from typing import Any

PACKAGE = "airflow_provider_voucherify"
INTEGRATION = "Voucherify"


def _field(label: str, kind: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


CONNECTION_FIELDS = {
    "quota_reserve": _field(
        "Quota reserve",
        "number",
        "Calls of each period left to the live shop: a share of the limit when below 1, else a number. 0.2 by default.",
        minimum=0,
    ),
    "oauth": _field("OAuth 2.0", "boolean", "Exchange the keys for tokens that live 15 minutes."),
    "oauth_scope": _field(
        "OAuth scope", "string", "Scopes of the token, separated by spaces; by default: orders exports async-actions"
    ),
    "connect_timeout": _field(
        "Connect timeout", "number", "Seconds to wait for a connection; 10 by default.", exclusiveMinimum=0
    ),
    "read_timeout": _field(
        "Read timeout", "number", "Seconds to wait for the next byte of an answer; 60 by default.", exclusiveMinimum=0
    ),
    "download_hosts": _field(
        "Download hosts", "string", "Hosts beside *.voucherify.io that exports may be downloaded from with the keys."
    ),
    "dashboard_url": _field(
        "Dashboard URL",
        "string",
        "Where the links at tasks lead; by default the audit log of the cluster, if it is a shared one. "
        "{resource} in it becomes async-actions or exports, and {id} the id.",
    ),
}

UI_FIELD_BEHAVIOUR = {
    # the port stays visible: the test button of Airflow 3.3.2 sends 0 for a port that is null, and is refused
    "hidden-fields": ["schema"],
    "relabeling": {"host": "Cluster host", "login": "Application ID", "password": "Secret key"},
    "placeholders": {
        "host": "api.voucherify.io (default), us1.api.voucherify.io, as1.api.voucherify.io",
        "port": "443; needed for the test button of Airflow 3.3",
        "login": "X-App-Id, from the project settings",
        "password": "X-App-Token, from the project settings",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Tell Airflow the connection type, its form, and the classes."""
    from airflow_provider_voucherify import __version__

    def modules(*names: str) -> list[dict[str, Any]]:
        return [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{name}" for name in names]}]

    return {
        "package-name": "airflow-provider-voucherify",
        "name": INTEGRATION,
        "description": "Moves orders into and out of `Voucherify <https://www.voucherify.io/>`__.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.voucherify.io/",
                "tags": ["service"],
            }
        ],
        "hooks": modules("hooks.voucherify"),
        "operators": modules("operators.orders"),
        "sensors": modules("sensors.async_action"),
        "triggers": modules("triggers.async_action", "triggers.export"),
        "connection-types": [
            {
                "hook-class-name": f"{PACKAGE}.hooks.voucherify.VoucherifyHook",
                "hook-name": "Voucherify",
                "connection-type": "voucherify",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "extra-links": [f"{PACKAGE}.links.dashboard.{name}" for name in ("AsyncActionLink", "ExportLink")],
    }
