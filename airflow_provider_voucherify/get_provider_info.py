"""What Airflow discovers of this provider: the connection type, its form, and the classes."""

from __future__ import annotations

from typing import Any

from airflow_provider_voucherify.hooks.connection_form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR

PACKAGE = "airflow_provider_voucherify"
INTEGRATION = "Voucherify"
HOW_TO_GUIDES = (
    "import_orders", "sync_orders", "export_orders", "order_details", "exports", "reconcile_orders", "single_orders",
    "sources", "async_action_sensor",
)  # fmt: skip
ASSET_URIS = [
    {
        "schemes": ["voucherify"],
        "handler": f"{PACKAGE}.assets.sanitize_uri",
        "factory": f"{PACKAGE}.assets.create_asset",
        "to_openlineage_converter": f"{PACKAGE}.assets.convert_asset_to_openlineage",
    }
]


def get_provider_info() -> dict[str, Any]:
    """Return the provider info, which the entry point ``apache_airflow_provider`` names."""
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
                "logo": "/docs/integration-logos/voucherify.svg",
                "how-to-guide": [f"/docs/how-to/{page}.md" for page in HOW_TO_GUIDES],
                "tags": ["service"],
            }
        ],
        "hooks": modules("hooks.voucherify"),
        "operators": modules("operators.orders", "operators.exports"),
        "sensors": modules("sensors.async_action"),
        "triggers": modules("triggers.async_action", "triggers.export", "triggers.orders"),
        "connection-types": [
            {
                "hook-class-name": f"{PACKAGE}.hooks.voucherify.VoucherifyHook",
                "hook-name": "Voucherify",
                "connection-type": "voucherify",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "asset-uris": ASSET_URIS,
        "dataset-uris": ASSET_URIS,  # the same for Airflow 2
        "extra-links": [f"{PACKAGE}.links.dashboard.{name}" for name in ("AsyncActionLink", "ExportLink")],
    }
