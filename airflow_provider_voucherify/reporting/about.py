"""What a report says of the job that it is about: where it ran, what it read, and how it was configured."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.core.options import Options


class About(msgspec.Struct, kw_only=True):
    """
    What a report says of its job. It has no secrets.

    :param names: What identifies it, by what that is: DAG, task, run, connection, host, source.
    :param options: The options that differ from their defaults, as they would be written in Python.
    :param source_options: The names of those that say how the source is read.
    """

    names: dict[str, str] = {}
    options: dict[str, str] = {}
    source_options: list[str] = []

    @classmethod
    def of(
        cls,
        settings: Settings,
        source: str,
        source_options: Options,
        options: Options,
        *,
        run: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> About:
        """
        Describe a job.

        :param settings: Its connection.
        :param source: What it reads.
        :param source_options: How it reads that.
        :param options: Its other options.
        :param run: The name of its run.
        :param labels: What else identifies it, such as its DAG and task.
        """
        names = {**(labels or {})}
        if run is not None:
            names["Run"] = run
        names |= {"Connection": settings.name, "Host": settings.base_url, "Source": one_line(source)}
        changed = source_options.changed()
        shown = {name: one_line(repr(value)) for name, value in {**changed, **options.changed()}.items()}
        return cls(names=names, options=shown, source_options=list(changed))
