from __future__ import annotations

from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.task.parameters import storage_path


@pytest.mark.parametrize("path", ["gs://bucket/orders.jsonl", "nowhere://bucket/orders.jsonl"])
def test_a_file_system_that_is_not_there_is_told(path):
    with pytest.raises(ConfigurationError, match=f"orders_path {path}: .*Install the provider of Airflow"):
        storage_path("orders_path", path)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_local_path_may_be_plain(tmp_path, form):
    assert storage_path("orders_path", form.format(tmp_path)).is_dir()


@pytest.mark.parametrize("kind", [Path, lambda path: ObjectStoragePath(f"file://{path}")], ids=["Path", "storage"])
def test_a_path_may_be_an_object(tmp_path, kind):
    assert storage_path("orders_path", kind(tmp_path)).is_dir()


def test_the_connection_of_a_path_is_kept():
    given = ObjectStoragePath("file://lake@/orders", conn_id="lake")
    assert storage_path("orders_path", given) is given


def test_a_path_that_was_rendered_to_a_number():
    assert storage_path("orders_path", 2026).name == "2026"


@pytest.mark.parametrize("path", ["", " ", "None", "file:///data/None/report", None, [], True, 1.5])
def test_no_path_is_made_of_nothing(path):
    with pytest.raises(ConfigurationError, match=r"orders_path .*(is not a path: a template|must be a path, got)"):
        storage_path("orders_path", path)
