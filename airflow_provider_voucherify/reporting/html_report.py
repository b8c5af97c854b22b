"""Render the reports of jobs as HTML pages that need no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from airflow_provider_voucherify.reporting import charts
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.chunk_log import ChunkLine
from airflow_provider_voucherify.reporting.observations import Observations
from airflow_provider_voucherify.reporting.summary import LoadSummary

LOAD_TEMPLATE = "report.html.jinja"
RECONCILIATION_TEMPLATE = "reconciliation.html.jinja"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
)
TIME = "%Y-%m-%d %H:%M:%S"
MAX_POINTS = 200
COLOURS = {
    "loaded": "#2f855a",
    "rejected": "#c53030",
    "unknown": "#b7791f",
    "matched": "#2f855a",
    "missing": "#c53030",
    "different": "#b7791f",
    "unchecked": "#718096",
    "repeated": "#a0aec0",
}
# options of a source that do not apply to its reject files, and tolerances, which were for the whole
NOT_REPEATED = frozenset({"file_format", "csv_options", "json_path", "group_by", "max_rejected", "max_unknown"})


class AmountSums(NamedTuple):
    """Sums of amounts in the smallest currency unit: of what was given, and of what is in."""

    given: int
    loaded: int


class Step(NamedTuple):
    """What to do next: why, and the task that does it."""

    text: str
    code: str


def html_report(
    summary: LoadSummary,
    observations: Observations,
    about: About = About(),  # noqa: B008  # never changed
    *,
    chunks: Iterable[ChunkLine] = (),
    money: AmountSums | None = None,
    quota: str = "",
) -> str:
    """
    Render the report of a job that loads orders.

    :param summary: The summary of the job.
    :param observations: What was observed while it ran.
    :param about: What identifies the job.
    :param chunks: Its audit log.
    :param money: The sums of the amounts.
    :param quota: What is known of the quota, as a sentence.
    :return: The HTML page.
    """
    timeline = observations.timeline
    moments = [moment for moment, _ in timeline]
    return _render(
        LOAD_TEMPLATE,
        summary=summary,
        about=about,
        bars=_bars(summary, ("loaded", "rejected", "unknown")),
        money=money,
        quota=quota,
        reasons=sorted(observations.reasons.items(), key=lambda entry: -entry[1]),
        failures=observations.failures,
        charts=[chart for chart in (_throughput(timeline), _chunks(chunks, moments)) if chart],
        steps=_steps(summary, about),
        **_duration(timeline),
    )


def reconciliation_report(result: Any, about: About, kinds: Sequence[str]) -> str:
    """
    Render the report of a reconciliation.

    :param result: Its result.
    :param about: What identifies it.
    :param kinds: The folders beside the report.
    :return: The HTML page.
    """
    repeated = {name: about.options[name] for name in about.source_options}
    repairs = [kind for kind in ("missing", "different") if getattr(result, kind)]
    return _render(
        RECONCILIATION_TEMPLATE,
        summary=result,
        about=about,
        bars=_bars(result, ("matched", "missing", "different", "unchecked", "repeated")),
        kinds=kinds,
        steps=[
            Step(
                f"{getattr(result, kind):,} orders are {kind}. Import them once more, and reconcile again:",
                _task("ImportOrdersOperator", f"repair_{kind}", result.report_path, kind, f"repair_{kind}", repeated),
            )
            for kind in repairs
        ],
    )


def _render(template: str, **values: Any) -> str:
    return TEMPLATES.get_template(template).render(values, chart_size=charts, COLOURS=COLOURS, TIME=TIME)


def _bars(summary: Any, kinds: Sequence[str]) -> list[dict[str, Any]]:
    bars, left = [], 0.0
    for kind in kinds:
        count = getattr(summary, kind)
        share = count / max(summary.orders, 1)
        width = charts.WIDTH * share
        bars.append({"kind": kind, "count": count, "share": _share(share), "x": f"{left:.1f}", "width": f"{width:.1f}"})
        left += width
    return bars


def _share(share: float) -> str:
    """Format a share. Only all is 100 % and only nothing 0 %, however near it is."""
    return f"{min(max(share, 0.0001), 0.9999):.2%}" if 0 < share < 1 else f"{share:.0%}"


def _duration(timeline: Sequence[tuple[float, int]]) -> dict[str, Any]:
    if not timeline:
        return {"started": None, "ended": None, "duration": None, "rate": 0.0}
    (first, _), (last, settled) = timeline[0], timeline[-1]
    seconds = max(last - first, 0.001)
    return {
        "started": datetime.fromtimestamp(first, UTC),
        "ended": datetime.fromtimestamp(last, UTC),
        "duration": timedelta(seconds=round(seconds)),
        "rate": settled / seconds,
    }


def _throughput(timeline: Sequence[tuple[float, int]]) -> charts.Chart | None:
    return charts.line_chart("Orders with an outcome, a second", {"orders": charts.rates(timeline)})


def _chunks(lines: Iterable[ChunkLine], moments: Sequence[float]) -> charts.Chart | None:
    """Lay out how many orders were sent and done over time, as the audit log says."""
    sent, done = [], []
    for line in lines:
        sent.append((line.sent.timestamp(), line.orders))
        if line.finished is not None:
            done.append((line.finished.timestamp(), line.orders))
    series = {"sent": _summed(sent), "done": _summed(done)}
    drawn = {name: points for name, points in series.items() if points}
    return charts.line_chart("Orders sent and done", drawn, moments)


def _summed(events: list[tuple[float, int]]) -> list[tuple[float, float]]:
    points, total = [], 0
    for moment, count in sorted(events):
        total += count
        points.append((moment, float(total)))
    every = -(-len(points) // MAX_POINTS) or 1
    return [*points[:-1:every], *points[-1:]]


def _steps(summary: LoadSummary, about: About) -> list[Step]:
    steps = []
    path = summary.report_path
    if rejected := summary.rejected - summary.superseded:
        code = _task(summary.operator, "repair_orders", path, "rejected", "repair", about.options)
        steps.append(Step(f"{rejected:,} orders were rejected. Correct them in rejected/, and send them:", code))
    if summary.unknown:
        options = {name: about.options[name] for name in about.source_options}
        code = _task("ReconcileOrdersOperator", "reconcile_unknown", path, "unknown", "reconciliation", options)
        steps.append(Step(f"Of {summary.unknown:,} orders it is unknown whether they are in. Compare them:", code))
    return steps


def _task(
    operator: str, task_id: str, report_path: str | None, given: str, report: str, options: Mapping[str, str]
) -> str:
    """Write the task that works on a folder of a report, with the options of its job."""
    parameters = {
        "task_id": repr(task_id),
        "orders_path": repr(f"{report_path}/{given}"),
        "report_path": repr(f"{report_path}/{report}"),
        **{name: value for name, value in options.items() if name not in NOT_REPEATED},
    }
    lines = "".join(f"    {name}={value},\n" for name, value in parameters.items())
    return f"{operator}(\n{lines})"
