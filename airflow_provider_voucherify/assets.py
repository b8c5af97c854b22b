"""
Assets of Voucherify: ``voucherify://host/application-id/orders``, for schedules and for lineage.

The host is that of the connection, ``api.voucherify.io`` for one, with its port if that is not 443; the application id
names the project. Airflow finds these functions by the provider info.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_voucherify.api.settings import DEFAULT_HOST, Settings

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset

SCHEME = "voucherify"
ORDERS = "orders"
DEFAULT_PORT = ":443"


def create_asset(
    *, project: str, resource: str = ORDERS, host: str = DEFAULT_HOST, extra: dict[str, Any] | None = None
) -> Asset:
    """
    Make the asset of what a project has of one kind.

    :param project: The application id of the project.
    :param resource: What it is, as the path of the API names it: ``orders``.
    :param host: The host of the API, with its port if that is not 443.
    :param extra: The extra of the asset.
    """
    return Asset(uri=f"{SCHEME}://{host}/{quote(project, safe='')}/{resource}", extra=extra or {})


def asset_of(settings: Settings, resource: str = ORDERS) -> Asset:
    """
    Make the asset of what the project of a connection has of one kind.

    :param settings: The settings of the connection.
    :param resource: What it is, as the path of the API names it.
    """
    return create_asset(project=settings.app_id, resource=resource, host=urlsplit(settings.base_url).netloc)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check a URI, and write it as all others that mean the same.

    :param uri: The parts of the URI.
    :raises ValueError: if it does not name host, application id and resource.
    """
    parts = uri.path.split("/")
    if not uri.netloc or len(parts) != 3 or not all(parts[1:]):
        raise ValueError(
            f"URI format {SCHEME}:// must contain host, application id and resource, as "
            f"{SCHEME}://{DEFAULT_HOST}/APP_ID/{ORDERS}"
        )
    return uri._replace(netloc=uri.netloc.lower().removesuffix(DEFAULT_PORT))


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """
    Name an asset as OpenLineage does, with the host in the namespace.

    :param asset: The asset.
    :param lineage_context: Where it was seen; it makes no difference.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{uri.netloc}", name=unquote(uri.path.lstrip("/")))
