from __future__ import annotations

import pytest

from tests.integration.order_export.export_server import ExportServer


@pytest.fixture
def server():
    """An export with any content, over real HTTP."""
    with ExportServer() as running:
        yield running


@pytest.fixture
def path(tmp_path):
    """Where the Parquet file goes."""
    return tmp_path / "lake" / "orders.parquet"
