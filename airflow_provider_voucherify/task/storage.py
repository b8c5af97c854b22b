"""Open the paths that parameters name, on any file system that Airflow knows."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_voucherify.exceptions import ConfigurationError


def storage_path(parameter: str, path: str) -> ObjectStoragePath:
    """
    Open the file system of a path.

    :param parameter: Which parameter it is, for the error.
    :param path: The path.
    :raises ConfigurationError: if no provider that is installed knows its scheme.
    """
    try:
        opened = ObjectStoragePath(path)
        opened.fs  # noqa: B018 - what is missing shows here
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{parameter} {path}: {error}. Its file system comes with a provider of Airflow, which has to be where the "
            "task runs: s3:// with apache-airflow-providers-amazon[s3fs], gs:// with apache-airflow-providers-google, "
            "abfs:// with apache-airflow-providers-microsoft-azure."
        ) from error
    return opened
