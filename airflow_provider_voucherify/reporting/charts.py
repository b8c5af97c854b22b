"""Line charts as SVG, with axes: their places are computed here, and drawn by the template."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 24
TICKS = 4
SPANS = 24
DAY = 86_400

Points = Sequence[tuple[float, float]]


class Tick(NamedTuple):
    """A mark on an axis: its place in pixels, and its text."""

    place: float
    text: str


class Chart(NamedTuple):
    """
    A chart to be drawn.

    :param title: What it shows.
    :param lines: The points of each line in pixels, by its name.
    :param x_ticks: The marks of the times.
    :param y_ticks: The marks of the values.
    """

    title: str
    lines: dict[str, str]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def line_chart(title: str, series: Mapping[str, Points], moments: Sequence[float] = ()) -> Chart | None:
    """
    Lay out a chart of values over time.

    :param title: What it shows.
    :param series: Times (seconds since the epoch) and values of each line, by its name.
    :param moments: Other times that the axis has to reach.
    :return: None if there are fewer than two moments, or nothing but zeros.
    """
    moments = [*moments, *(moment for points in series.values() for moment, _ in points)]
    top = max((value for points in series.values() for _, value in points), default=0.0)
    if not top or max(moments) - min(moments) <= 0:
        return None
    start, seconds = min(moments), max(moments) - min(moments)
    step = _round_step(top / TICKS)
    highest = step * math.ceil(top / step)

    def x(moment: float) -> float:
        return LEFT + (moment - start) / seconds * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / highest * (HEIGHT - TOP - BOTTOM)

    lines = {
        name: " ".join(f"{x(moment):.1f},{y(value):.1f}" for moment, value in points) for name, points in series.items()
    }
    times = [start + seconds * tick / TICKS for tick in range(TICKS + 1)]
    values = [step * tick for tick in range(round(highest / step) + 1)]
    return Chart(
        title,
        lines,
        [Tick(x(moment), _time(moment, seconds)) for moment in times],
        [Tick(y(value), f"{value:,.{0 if step >= 1 else 1}f}") for value in values],
    )


def rates(timeline: Points) -> Points:
    """
    Turn counts over time into what was added a second, on the average of some equal spans of time.

    :param timeline: Times and counts, both ascending.
    """
    if not timeline or timeline[-1][0] <= timeline[0][0]:
        return []
    start, seconds = timeline[0][0], timeline[-1][0] - timeline[0][0]
    moments = [start + seconds * span / SPANS for span in range(SPANS + 1)]
    counts = [_count_at(timeline, moment) for moment in moments]
    spans = zip(itertools.pairwise(moments), itertools.pairwise(counts), strict=True)
    slopes = [(then, now, (count - before) / (now - then)) for (then, now), (before, count) in spans]
    return [point for then, now, rate in slopes for point in ((then, rate), (now, rate))]


def _count_at(timeline: Points, moment: float) -> float:
    place = bisect.bisect_right(timeline, moment, key=lambda point: point[0])
    if place == len(timeline):
        return timeline[-1][1]
    (then, before), (now, count) = timeline[max(place - 1, 0)], timeline[max(place, 1)]
    return before + (count - before) * (moment - then) / (now - then) if now > then else count


def _round_step(least: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def _time(moment: float, seconds: float) -> str:
    form = "%d %b %H:%M" if seconds > DAY else "%H:%M" if seconds > 600 else "%H:%M:%S"
    return datetime.fromtimestamp(moment, UTC).strftime(form)
