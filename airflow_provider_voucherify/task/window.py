"""The window of a run: its data interval, or what it was given by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_voucherify.core.validation import check_choice
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.task.parameters import OptionsMixin

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

RunWindow = Literal["data_interval"]
BOUNDS = ("window_start", "window_end")
BY_HAND = "trigger it with the params window_start and window_end, times like '2026-01-01T00:00:00+00:00'"


class WindowMixin(OptionsMixin):
    """
    An operator with the options ``window_start`` and ``window_end``, which can come from its run instead.

    :param window: ``data_interval``, or None.
    """

    window_start: Any
    window_end: Any

    def __init__(self, *, window: RunWindow | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("window", window, [None, *get_args(RunWindow)])
        self.window = window
        self._has_bounds = any(getattr(self, name) is not None for name in BOUNDS)
        if self.window is not None and self._has_bounds:
            raise ConfigurationError("Give either window, or window_start and window_end.")

    def _find_window(self, context: Context) -> None:
        """Set ``window_start`` and ``window_end`` to those of the run."""
        if self.window is not None:
            self.window_start, self.window_end = window_of_run(context)
        elif self._has_bounds or (is_mapped(context) and self._given_options & {*BOUNDS}):
            check_rendered(self.window_start, self.window_end)


def is_mapped(context: Context) -> bool:
    """
    Return whether a task is one of several of a mapped operator.

    :param context: The task.
    """
    map_index = context["ti"].map_index
    return map_index is not None and map_index >= 0


def window_of_run(context: Context) -> tuple[Any, Any]:
    """
    Find the window of a run: ``window_start`` and ``window_end`` of its configuration, as somebody gave them by hand;
    otherwise its data interval; otherwise the params of its DAG.

    A run that is triggered by hand has no data interval in Airflow 3, and one of a ``CronTriggerTimetable``, which
    ``@daily`` is there, has one without length.

    :param context: The task.
    :return: Start and end.
    :raises ConfigurationError: if the run has no window, saying how to give it one.
    """
    if (given := _bounds(context["dag_run"].conf or {})) is not None:
        return given
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is not None and end is not None and start < end:
        return start, end
    if (given := _bounds(context["params"])) is not None:
        return given
    interval = "no data interval" if start is None else f"a data interval without length ({start})"
    raise ConfigurationError(
        f"window='data_interval': this run has {interval}. If it was triggered by hand, {BY_HAND}. If it was "
        "scheduled, give the DAG a timetable with data intervals, such as CronDataIntervalTimetable: since Airflow 3 "
        "'@daily' has none."
    )


def check_rendered(start: Any, end: Any) -> None:
    """
    Check that a window that was asked for is still there when the task runs.

    :param start: The rendered ``window_start``.
    :param end: The rendered ``window_end``.
    :raises ConfigurationError: if one of them is None.
    """
    empty = [name for name, value in zip(BOUNDS, (start, end), strict=True) if str(value).strip() in ("None", "")]
    if empty:
        raise ConfigurationError(
            f"{' and '.join(empty)} rendered to None, which leaves no window. A run that is triggered by hand has "
            "no data interval in Airflow 3: with window='data_interval' instead of window_start and window_end, "
            f"{BY_HAND}."
        )


def _bounds(values: Mapping[str, Any]) -> tuple[Any, Any] | None:
    start, end = (values.get(name) for name in BOUNDS)
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ConfigurationError("Give the run both window_start and window_end, or neither.")
    return start, end
