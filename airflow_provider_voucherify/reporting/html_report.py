"""Render the report of a job as one HTML page that needs no other file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2

from airflow_provider_voucherify.reporting.observations import Observations
from airflow_provider_voucherify.reporting.summary import LoadSummary

TEMPLATE = "report.html.jinja"
TIME = "%Y-%m-%d %H:%M:%S"
WIDTH, HEIGHT = 720, 160
HEADROOM = 10
COLOURS = {"loaded": "#2f855a", "rejected": "#c53030", "unknown": "#b7791f"}


def html_report(summary: LoadSummary, observations: Observations) -> str:
    """
    Render the report.

    :param summary: The summary of the job.
    :param observations: What was observed while it ran.
    :return: The HTML page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        bars=_bars(summary),
        reasons=sorted(observations.reasons.items(), key=lambda entry: -entry[1]),
        failures=observations.failures,
        width=WIDTH,
        height=HEIGHT,
        TIME=TIME,
        **_progress(observations.timeline),
    )


def _bars(summary: LoadSummary) -> list[dict[str, Any]]:
    bars, left = [], 0.0
    for kind, colour in COLOURS.items():
        count = getattr(summary, kind)
        share = count / max(summary.orders, 1)
        width = WIDTH * share
        bars.append(
            {
                "kind": kind,
                "colour": colour,
                "count": count,
                "share": share,
                "x": f"{left:.1f}",
                "width": f"{width:.1f}",
            }
        )
        left += width
    return bars


def _progress(timeline: list[tuple[float, int]]) -> dict[str, Any]:
    if not timeline:
        return {"started": None, "ended": None, "curve": "", "duration": None, "rate": 0.0}
    (first, _), (last, settled) = timeline[0], timeline[-1]
    seconds = max(last - first, 0.001)
    is_drawn = len(timeline) > 1 and settled
    return {
        "started": datetime.fromtimestamp(first, UTC),
        "ended": datetime.fromtimestamp(last, UTC),
        "curve": _curve(timeline, first, seconds, settled) if is_drawn else "",
        "duration": timedelta(seconds=round(seconds)),
        "rate": settled / seconds,
    }


def _curve(timeline: list[tuple[float, int]], first: float, seconds: float, settled: int) -> str:
    return " ".join(
        f"{(moment - first) / seconds * WIDTH:.1f},{HEIGHT - count / settled * (HEIGHT - HEADROOM):.1f}"
        for moment, count in timeline
    )
