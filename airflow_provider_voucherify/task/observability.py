"""Show what a job does: counters among Airflow's metrics, progress in the task state store, events of assets."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import Asset, AssetAlias, Stats
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_voucherify.reporting.progress import Progress

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

if AIRFLOW_V_3_0_PLUS:
    from airflow.sdk.definitions.asset import AssetRef

    ASSETS: Any = (Asset, AssetRef)
else:
    ASSETS = (Asset,)

PROGRESS_KEY = "progress"
COUNTERS = ("loaded", "rejected", "unknown", "chunks", "api_calls")

log = logging.getLogger(__name__)


class Telemetry:
    """
    Reports the metrics ``voucherify.import.*`` or ``voucherify.sync.*``, and the progress.

    :param context: The context of the task.
    :param counters: The counters of the job as they are now: only what is added later is counted.
    :param job: ``import`` or ``sync``.
    """

    def __init__(self, context: Context, counters: object, job: str) -> None:
        self._job = job
        self._store = context.get("task_state_store")
        self._tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
        self._counted = self._counts(counters)

    def count(self, counters: object) -> None:
        """
        Add to the metrics what was counted since the last call.

        :param counters: The counters of the job.
        """
        counts = self._counts(counters)
        for name, value in counts.items():
            if more := value - self._counted[name]:
                Stats.incr(f"voucherify.{self._job}.{name}", more, tags=self._tags)
        self._counted = counts

    def show(self, progress: Progress) -> None:
        """
        Put the progress where the UI shows it.

        :param progress: The progress.
        """
        if self._store is not None:
            shown: dict[str, Any] = {"summary": str(progress), **msgspec.to_builtins(progress)}
            self._store.set(PROGRESS_KEY, shown)

    def clear(self) -> None:
        """Remove the progress of a job that has finished."""
        if self._store is not None:
            self._store.delete(PROGRESS_KEY)

    @staticmethod
    def _counts(counters: object) -> dict[str, int]:
        return {name: getattr(counters, name) for name in COUNTERS if hasattr(counters, name)}


def publish_events(context: Context, outlets: Sequence[Any], asset: Asset | None, extra: Mapping[str, Any]) -> None:
    """
    Add what a task has done to the events of the assets that it updates.

    :param context: The task.
    :param outlets: The outlets of the task: assets, references to assets, and aliases.
    :param asset: The asset that the task has updated, to which an alias leads; None if there is none.
    :param extra: What it has done.
    """
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            if asset is not None:
                context["outlet_events"][outlet].add(asset, extra=_of_alias(extra))
        elif isinstance(outlet, ASSETS):
            context["outlet_events"][outlet].extra.update(extra)


def add_partitions(context: Context, outlets: Sequence[Any], keys: Sequence[str]) -> None:
    """
    Let the assets that a task updates have an event for each partition, where Airflow knows partitions (3.3).

    :param context: The task.
    :param outlets: The outlets of the task; aliases have no partitions.
    :param keys: The partitions. Without any, the assets have one event without a partition.
    """
    for outlet in outlets:
        if isinstance(outlet, ASSETS):
            event = context["outlet_events"][outlet]
            if hasattr(event, "add_partitions"):
                event.add_partitions(list(keys))
            else:
                log.warning("asset_partitions: Airflow below 3.3 has none; %s gets one event for all.", outlet)


def _of_alias(extra: Mapping[str, Any]) -> dict[str, Any]:
    if AIRFLOW_V_3_0_PLUS:
        return dict(extra)
    # Airflow 2 puts the values into a set
    return {name: value if isinstance(value, Hashable) else json.dumps(value) for name, value in extra.items()}


def count_export(context: Context, result: Mapping[str, Any]) -> None:
    """
    Add the result of an export to the metrics.

    :param context: The task.
    :param result: The result of the export.
    """
    tags = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id}
    for name in ("rows", "bytes", "bad_rows"):
        Stats.incr(f"voucherify.export.{name}", result[name], tags=tags)


def report_labels(context: Context) -> dict[str, str]:
    """
    Name a task in its report.

    :param context: The task.
    """
    ti = context["ti"]
    index = "" if ti.map_index is None or ti.map_index < 0 else f" [{ti.map_index}]"
    return {"DAG": ti.dag_id, "Task": f"{ti.task_id}{index}"}
