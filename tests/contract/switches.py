"""The switches of the emulator, what the probe has to answer for each value, and a selection of their combinations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

Options = dict[str, Any]

# The default of each switch, then its other values
SWITCHES: dict[str, list[Any]] = {
    "plan": ["unlimited", "business", "organization", "sandbox"],
    "bulk_limit": [0, 50],
    "import_limit": [2000, 1234, 4000],
    "body_limit": [10_000_000, 300_001],
    "gzip_bodies": [False, True],
    "import_mode": ["upsert", "insert"],
    "failed_style": ["array", "object"],
    "new_updated_at": ["null", "created"],
    "window_bounds": ["exclusive", "inclusive"],
    "metadata_style": ["json", "columns", "bare"],
    "header_style": ["display", "label", "field"],
    "export_files": [1, 3],
    "export_echo": ["rich", "sent"],
    "download_token_seconds": [900, 60],
    "download_needs_keys": [True, False],
    "oauth_token_seconds": [900, 300],
}

# What the API cannot tell: where it listens, its keys and data, how fast it is, and how many tokens make too many
NOT_ASKED = {
    "host", "port", "download_port", "app_id", "app_token", "speed", "db", "seed", "days", "oauth_token_limit",
    "import_base_ms", "import_order_ms", "export_base_ms", "export_order_ms",
}  # fmt: skip

PERIODS = {"business": (100, "minute"), "organization": (2000, "minute"), "sandbox": (100, "hour")}


def expected_answers(options: Options) -> dict[str, Any]:
    """Return the answers that depend on switches."""
    is_on = {name: options.get(name, values[0]) for name, values in SWITCHES.items()}
    same = (
        "import_mode", "failed_style", "new_updated_at", "metadata_style", "header_style", "export_files",
        "export_echo", "download_needs_keys", "oauth_token_seconds", "gzip_bodies", "import_limit",
    )  # fmt: skip
    limit, period = PERIODS.get(is_on["plan"], (None, None))
    is_upsert, inclusive = is_on["import_mode"] == "upsert", is_on["window_bounds"] == "inclusive"
    counts_as = "bulk_api_calls" if is_on["bulk_limit"] else "api_calls" if limit else None
    return {name: is_on[name] for name in same} | {
        "rate_limit": limit,
        "rate_period": period,
        "import_counts_as": counts_as,
        "bulk_limit": is_on["bulk_limit"] or None,
        "body_limit": {10_000_000: 500_000, 300_001: 300_001}[is_on["body_limit"]],
        "after_includes_bound": inclusive,
        "before_includes_bound": inclusive,
        "import_repeats": "the last one counts" if is_upsert else "the first one counts",
        "import_unchanged": "set" if is_upsert else "does not apply",
        "download_token_seconds": {900: 120.0, 60: 0.0}[is_on["download_token_seconds"]],
    }


def single_switches() -> Iterator[Options]:
    for name, (_, *others) in SWITCHES.items():
        yield from ({name: value} for value in others)


def covering_selection(seed: int) -> list[Options]:
    """Choose combinations of all switches among which every two values of two switches occur together."""
    chance = random.Random(seed)
    names = list(SWITCHES)
    open_pairs = {
        ((one, first), (other, second))
        for one, other in combinations(names, 2)
        for first, second in product(SWITCHES[one], SWITCHES[other])
    }
    selection = []
    while open_pairs:
        candidates = [{name: chance.choice(SWITCHES[name]) for name in names} for _ in range(200)]
        best = max(candidates, key=lambda options: len(open_pairs & pairs_of(options)))
        if not open_pairs & pairs_of(best):
            best = candidates[0] | dict(min(open_pairs, key=repr))
        open_pairs -= pairs_of(best)
        selection.append(best)
    return selection


def pairs_of(options: Options) -> set[Any]:
    return set(combinations(options.items(), 2))


def name_of(options: Options) -> str:
    """Name the values that are not the default ones."""
    return ",".join(f"{name}={value}" for name, value in options.items() if value != SWITCHES[name][0])
