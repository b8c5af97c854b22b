"""Orders for tests and demo, made by number: the same number, the same order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STATUSES = ("CREATED", "PAID", "CANCELED", "FULFILLED")
CHANNELS = ("web", "app", 'shop "Süd"', "phone, desk")


def order(number: int) -> dict[str, Any]:
    """Make an order with two items, metadata, and amounts that are right."""
    first, second = 100 + number % 900, 1000 + number % 77
    return {
        "source_id": f"order-{number}",
        "status": STATUSES[number % len(STATUSES)],
        "amount": 2 * first + second,
        "items": [
            {"source_id": f"rose-{number % 50}", "related_object": "product", "quantity": 2, "price": first},
            {"source_id": "vase", "related_object": "product", "quantity": 1, "price": second},
        ],
        "metadata": {"channel": CHANNELS[number % len(CHANNELS)], "row": number},
    }


def write_jsonl(path: Path, orders: Iterable[Any]) -> Path:
    """Write one order a line; text is written as it is."""
    with path.open("w", encoding="utf-8") as file:
        for given in orders:
            line = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            file.write(line + "\n")
    return path
