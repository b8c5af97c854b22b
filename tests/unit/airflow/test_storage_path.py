from __future__ import annotations

import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.task.parameters import storage_path


@pytest.mark.parametrize("path", ["gs://bucket/orders.jsonl", "nowhere://bucket/orders.jsonl"])
def test_a_file_system_that_is_not_there_is_told(path):
    with pytest.raises(ConfigurationError, match=f"orders_path {path}: .*comes with a provider of Airflow"):
        storage_path("orders_path", path)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_local_path_may_be_plain(tmp_path, form):
    assert storage_path("orders_path", form.format(tmp_path)).is_dir()
