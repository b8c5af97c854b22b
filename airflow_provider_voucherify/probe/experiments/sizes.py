"""Large imports of invalid orders: what is not refused for its size is refused for its content."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from airflow_provider_voucherify.api.facts import NOT_TOLD
from airflow_provider_voucherify.api.session import JSON_HEADERS
from airflow_provider_voucherify.exceptions import ApiError, InvalidRequestError, TransportError
from airflow_provider_voucherify.probe.experiments.created import REFUSALS, refusal
from airflow_provider_voucherify.probe.lab import BAD_ITEM, Lab

PATH = "/v1/orders/import"
GZIP_HEADERS = {**JSON_HEADERS, "Content-Encoding": "gzip"}
DOCUMENTED_LIMIT = 2000
# What names the property in the refusal of an invalid order (seen in an example).
PROPERTY = "initial_quantity"
CALLS_AT_THE_END = 2


def send_large_bodies(lab: Lab) -> None:
    """
    Send one invalid order alone, beside a valid one, in bodies of growing size, and compressed.

    :param lab: The project.
    """
    session, orders = lab.session, [lab.bad_order()]
    is_refused, evidence = _sends(lab, msgspec.json.encode(orders))
    session.notes["bad order"] = evidence if is_refused else ""
    if not is_refused:
        session.found("one_bad_order", "it alone fails", f"an invalid order: {evidence}")
        for question in ("body_limit", "gzip_bodies"):
            session.found(question, NOT_TOLD, "invalid orders are accepted, so that none are sent in a large body")
        return
    all_refused, evidence = _sends(lab, msgspec.json.encode([lab.order("good"), *orders]))
    session.found("one_bad_order", "all refused" if all_refused else "it alone fails", evidence)
    works, evidence = _sends(lab, gzip.compress(msgspec.json.encode(orders)), headers=GZIP_HEADERS)
    session.found("gzip_bodies", works, evidence)
    seen: list[str] = []
    named: list[int] = []

    def accepts(size: int) -> bool:
        accepted, evidence = _sends(lab, _body_of(orders[0], size))
        seen.append(f"{size:,} bytes: {'accepted' if accepted else evidence}")
        named.extend(() if accepted else _numbers_in(evidence))
        return accepted

    sizes = (0, *lab.bounds.body_sizes)
    largest = _largest(lambda number: accepts(sizes[number]), 0, len(sizes), list)
    between = {limit for limit in named if sizes[largest] < limit < max(sizes[largest : largest + 2])}
    exact = [limit for limit in sorted(between)[:1] if accepts(limit)]  # the refusal names the limit
    session.found("body_limit", exact[0] if exact else sizes[largest], "; ".join(seen))


def send_large_imports(lab: Lab) -> None:
    """
    Find the largest number of orders that is not refused for itself, with as many calls as are left.

    :param lab: The project.
    """
    session, bad = lab.session, {"items": [BAD_ITEM]}  # so short that the body is not what is refused
    if not session.notes.get("bad order"):
        session.found("import_limit", NOT_TOLD, "invalid orders are accepted, so that not many of them are sent")
        return
    seen: list[str] = []
    top = lab.bounds.max_import
    hints = [top, DOCUMENTED_LIMIT + 1, DOCUMENTED_LIMIT]  # the last one first

    def accepts(number: int) -> bool:
        if lab.calls_left <= CALLS_AT_THE_END:
            raise _OutOfCallsError
        accepted, evidence = _sends(lab, msgspec.json.encode([bad] * number))
        seen.append(f"{number:,} orders: {'accepted' if accepted else evidence}")
        if not accepted:  # the refusal may name the limit
            for limit in _numbers_in(evidence):
                hints.extend((limit + 1, limit))
        return accepted

    try:
        answer: Any = _largest(accepts, 1, top + 1, lambda: hints)
    except _OutOfCallsError:
        answer = NOT_TOLD
        seen.append("no calls left")
    session.found("import_limit", answer, "; ".join(seen))


class _OutOfCallsError(Exception):
    pass


def _largest(accepts: Callable[[int], bool], low: int, high: int, hints: Callable[[], list[int]]) -> int:
    """Bisect for the largest number that is accepted, where ``low`` is and ``high`` is not; hints are tried first."""
    while high - low > 1:
        likely = hints()
        middle = (low + high) // 2
        while likely and not low < (middle := likely.pop()) < high:
            middle = (low + high) // 2
        if accepts(middle):
            low = middle
        else:
            high = middle
    return low


def _sends(lab: Lab, body: bytes, headers: Mapping[str, str] = JSON_HEADERS) -> tuple[bool, str]:
    """Send an import of invalid orders. Return whether their content was what it was refused for, and what was said."""
    try:
        with lab.rates.of_import():
            lab.client.transport.request("POST", PATH, idempotent=False, body=body, headers=headers)
    except REFUSALS as error:
        return isinstance(error, InvalidRequestError) and PROPERTY in error.response.reason, refusal(error)
    except ApiError:
        raise
    except TransportError as error:  # a server may close the connection in the middle of a body that is too large
        return False, str(error)
    return False, "accepted"


def _numbers_in(evidence: str) -> list[int]:
    return [int(text) for text in re.findall(r"\d+", evidence.partition(":")[2])]


def _body_of(order: dict[str, Any], size: int) -> bytes:
    """Make an import of one order whose body has a given size."""
    frame = len(msgspec.json.encode([{**order, "metadata": {**order["metadata"], "filling": ""}}]))
    filled = {**order, "metadata": {**order["metadata"], "filling": "x" * (size - frame)}}
    return msgspec.json.encode([filled])
