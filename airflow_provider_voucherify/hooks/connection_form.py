"""The form of a Voucherify connection in Airflow's UI, and the fields that it stores in the extra."""

from __future__ import annotations

from typing import Any


def _field(label: str, kind: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


CONNECTION_FIELDS = {
    "quota_reserve": _field(
        "Quota reserve",
        "number",
        "Calls of each period left to the live shop: a share of the limit when below 1, else a number. 0.2 by default.",
        minimum=0,
    ),
    "oauth": _field("OAuth 2.0", "boolean", "Exchange the keys for tokens that are valid for 15 minutes."),
    "oauth_scope": _field(
        "OAuth scope", "string", "Scopes of the token, separated by spaces; by default: orders exports async-actions"
    ),
    "connect_timeout": _field(
        "Connect timeout", "number", "Seconds to wait for a connection; 10 by default.", exclusiveMinimum=0
    ),
    "read_timeout": _field(
        "Read timeout", "number", "Seconds to wait for the next byte of a response; 60 by default.", exclusiveMinimum=0
    ),
    "download_hosts": _field(
        "Download hosts", "string", "Hosts beside *.voucherify.io that exports may be downloaded from with the keys."
    ),
    "proxies": _field(
        "Proxies",
        "string",
        'A proxy for all requests, or JSON such as {"https": "http://proxy.example:3128"}; by default those of the '
        "environment. Credentials belong into the environment: people who edit connections see this field.",
    ),
    "verify": _field(
        "CA file", "string", "A file or folder with certificates of trusted authorities, on workers and triggerers."
    ),
    "facts": _field(
        "Facts",
        "string",
        "What voucherify-probe --json measured of the project: the file, on workers, or its content.",
    ),
    "dashboard_url": _field(
        "Dashboard URL",
        "string",
        "Where the links of tasks lead; by default the audit log of the cluster, if it is a shared one. "
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


def ui_field_behaviour() -> dict[str, Any]:
    """Return the labels and placeholders of the form as Airflow below 3.2 expects them from a hook."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}


def connection_form_widgets() -> dict[str, Any]:
    """Return the fields of the form as Airflow below 3.2 expects them from a hook."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, StringField
    from wtforms.validators import Optional

    def widget(field: dict[str, Any]) -> Any:
        options = {"label": field["label"], "description": field["description"], "validators": [Optional()]}
        if "boolean" in field["schema"]["type"]:
            return BooleanField(**options)
        # numbers too: these versions have fields for integers only, and drop a hook that has any other kind of field
        return StringField(**options, widget=BS3TextFieldWidget())

    return {name: widget(field) for name, field in CONNECTION_FIELDS.items()}
