from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.providers_manager import ProvidersManager

from airflow_provider_voucherify.get_provider_info import get_provider_info
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import (
    ImportOrdersOperator,
    OrdersExportOperator,
    ReconcileOrdersOperator,
)
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor


def test_airflow_discovers_the_provider_and_its_connection_type():
    manager = ProvidersManager()
    assert "airflow-provider-voucherify" in manager.providers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions keep the hooks elsewhere as well; this place they all have
        hook = manager.hooks["voucherify"]
    assert hook is not None
    assert (hook.hook_name, hook.connection_type) == ("Voucherify", "voucherify")
    assert hook.hook_class_name == f"{VoucherifyHook.__module__}.{VoucherifyHook.__qualname__}"


def test_the_entry_point_gives_what_airflows_schema_allows():
    (entry,) = [entry for entry in entry_points(group="apache_airflow_provider") if "voucherify" in entry.value]
    info = entry.load()()
    schema = ProvidersManager()._provider_schema_validator.schema
    jsonschema.validate(info, schema)


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_is_named_can_be_imported(kind):
    for entry in get_provider_info()[kind]:
        for module in entry["python-modules"]:
            import_module(module)


def test_there_is_a_logo_and_a_guide_for_each_page_that_is_named_and_no_other():
    (integration,) = get_provider_info()["integrations"]
    root = Path(__file__).parents[3]
    assert (root / integration["logo"].lstrip("/")).is_file()
    named = {root / page.lstrip("/") for page in integration["how-to-guide"]}
    assert named == {page for page in (root / "docs" / "how-to").glob("*.md") if page.stem != "index"}


def test_every_link_of_an_operator_is_named_and_no_other():
    named = set(get_provider_info()["extra-links"])
    operators = (ImportOrdersOperator, OrdersExportOperator, ReconcileOrdersOperator, AsyncActionSensor)
    links = {type(link) for operator in operators for link in operator.operator_extra_links}
    assert named == {f"{link.__module__}.{link.__qualname__}" for link in links}


def test_the_form_has_typed_fields_that_may_be_empty():
    (kind,) = get_provider_info()["connection-types"]
    fields = kind["conn-fields"]
    assert {name: field["schema"]["type"] for name, field in fields.items()} == {
        "oauth": ["boolean", "null"],
        "oauth_scope": ["string", "null"],
        "quota_reserve": ["number", "null"],
        "connect_timeout": ["number", "null"],
        "read_timeout": ["number", "null"],
        "download_hosts": ["string", "null"],
        "proxies": ["string", "null"],
        "verify": ["string", "null"],
        "facts": ["string", "null"],
        "dashboard_url": ["string", "null"],
    }
    assert all(field["label"] and field["description"] for field in fields.values())


def test_the_form_of_older_versions_names_the_same():
    behaviour = VoucherifyHook.get_ui_field_behaviour()
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}
    assert behaviour["relabeling"]["password"] == "Secret key"


def test_the_form_that_airflow_shows_has_these_fields():
    if AIRFLOW_V_3_0_PLUS:
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        (form,) = [kind for kind in HookMetaService.hook_meta_data() if kind.connection_type == "voucherify"]
        shown = set(form.extra_fields)
    else:
        widgets = ProvidersManager().connection_form_widgets
        shown = {name.removeprefix("extra__voucherify__") for name in widgets if name.startswith("extra__voucherify__")}
    assert shown == set(get_provider_info()["connection-types"][0]["conn-fields"])
