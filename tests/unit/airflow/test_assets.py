"""URIs of assets, as Airflow and OpenLineage understand them."""

from __future__ import annotations

import warnings

import pytest
from airflow.providers.common.compat.sdk import Asset
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.providers_manager import ProvidersManager

from airflow_provider_voucherify import assets
from airflow_provider_voucherify.api.settings import Settings

ORDERS = "voucherify://api.voucherify.io/app-1/orders"


def test_airflow_finds_handler_factory_and_converter():
    manager = ProvidersManager()
    kind = "asset" if AIRFLOW_V_3_0_PLUS else "dataset"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions keep them elsewhere as well; this place they all have
        assert getattr(manager, f"{kind}_uri_handlers")["voucherify"] is assets.sanitize_uri
        assert getattr(manager, f"{kind}_factories")["voucherify"] is assets.create_asset
        converter = getattr(manager, f"{kind}_to_openlineage_converters")["voucherify"]
    assert converter is assets.convert_asset_to_openlineage


@pytest.mark.parametrize("uri", [ORDERS, f"{ORDERS}/", ORDERS.replace("api.voucherify.io", "API.Voucherify.io:443")])
def test_uris_that_mean_the_same_are_the_same(uri):
    assert Asset(uri).uri == assets.create_asset(project="app-1").uri == ORDERS


@pytest.mark.parametrize("uri", ["voucherify://orders", "voucherify:///app-1/orders", f"{ORDERS}/ord_1"])
def test_a_uri_without_host_project_or_resource_is_refused(uri):
    told = "must contain host, application id and resource"
    if AIRFLOW_V_3_0_PLUS:
        with pytest.raises(ValueError, match=told):
            Asset(uri)
    else:
        with pytest.warns(UserWarning, match=told):
            Asset(uri)


@pytest.mark.parametrize(
    ("host", "project", "namespace", "name"),
    [
        ("https://us1.api.voucherify.io", "app-1", "voucherify://us1.api.voucherify.io", "app-1/orders"),
        ("http://localhost:8600", "my/app", "voucherify://localhost:8600", "my/app/orders"),
    ],
)
def test_openlineage_has_the_host_in_the_namespace(host, project, namespace, name):
    asset = assets.asset_of(Settings(app_id=project, app_token="secret", base_url=host))
    dataset = translate_airflow_asset(asset, None)
    assert (dataset.namespace, dataset.name) == (namespace, name)
