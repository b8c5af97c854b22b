"""What came of an import, drawn on one page that needs nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

from airflow_provider_voucherify.reporting.observations import Observations
from airflow_provider_voucherify.reporting.summary import ImportSummary

WIDTH, HEIGHT = 720, 160
COLOURS = {"loaded": "#2f855a", "rejected": "#c53030", "unknown": "#b7791f"}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Import of orders into Voucherify</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 760px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }} td {{ padding: .25rem .5rem; border-top: 1px solid #e2e8f0; }}
td.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
.key {{ display: inline-block; width: .8em; height: .8em; margin-right: .4em; }} svg {{ width: 100%; }}
</style></head><body>
<h1>Import of {orders} orders into Voucherify</h1>
<p>{when}</p>
{outcomes}
<h2>How fast</h2>
{timeline}
<h2>What failed, and why</h2>
{reasons}
</body></html>
"""


def html_report(summary: ImportSummary, observations: Observations) -> str:
    """
    Draw an import.

    :param summary: What it came to.
    :param observations: What was observed while it ran.
    :return: An HTML page.
    """
    return PAGE.format(
        orders=f"{summary.orders:,}",
        when=_when(summary, observations),
        outcomes=_outcomes(summary),
        timeline=_timeline(observations),
        reasons=_reasons(observations),
    )


def _when(summary: ImportSummary, observations: Observations) -> str:
    told = f"{summary.chunks:,} requests were taken, with {summary.api_calls:,} calls in all."
    if not observations.timeline:
        return told
    first, last = (
        datetime.fromtimestamp(moment, UTC) for moment, _ in (observations.timeline[0], observations.timeline[-1])
    )
    return f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC. {told}"


def _outcomes(summary: ImportSummary) -> str:
    bars, keys, left = [], [], 0.0
    for kind, colour in COLOURS.items():
        count = getattr(summary, kind)
        width = WIDTH * count / max(summary.orders, 1)
        bars.append(f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="24" fill="{colour}"/>')
        keys.append(
            f'<tr><td><span class="key" style="background:{colour}"></span>{kind}</td>'
            f'<td class="number">{count:,}</td><td class="number">{count / max(summary.orders, 1):.2%}</td></tr>'
        )
        left += width
    return f'<svg viewBox="0 0 {WIDTH} 24" role="img">{"".join(bars)}</svg><table>{"".join(keys)}</table>'


def _timeline(observations: Observations) -> str:
    settled = observations.timeline[-1][1] if observations.timeline else 0
    if len(observations.timeline) < 2 or not settled:
        return "<p>It was over before there was anything to draw.</p>"
    began, ended = observations.timeline[0][0], observations.timeline[-1][0]
    seconds = max(ended - began, 0.001)
    points = " ".join(
        f"{(moment - began) / seconds * WIDTH:.1f},{HEIGHT - count / settled * (HEIGHT - 10):.1f}"
        for moment, count in observations.timeline
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}" stroke="#cbd5e0"/>'
        f'<polyline points="{points}" fill="none" stroke="#2b6cb0" stroke-width="2"/></svg>'
        f"<p>Orders with an outcome, over {timedelta(seconds=round(seconds))} (hours:minutes:seconds): "
        f"{settled / seconds:,.0f} a second.</p>"
    )


def _reasons(observations: Observations) -> str:
    if not observations.reasons:
        return "<p>Nothing.</p>"
    rows = sorted(observations.reasons.items(), key=lambda entry: -entry[1])
    table = "".join(f'<tr><td class="number">{count:,}</td><td>{escape(reason)}</td></tr>' for reason, count in rows)
    first = "".join(f"<tr><td>{escape(reason)}</td></tr>" for reason in observations.failures)
    return f"<table>{table}</table><h2>The first of them</h2><table>{first}</table>"
