"""What an async action says of the orders of its chunk, and what it leaves open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from airflow_provider_voucherify.api.models import ActionStatus, AsyncAction
from airflow_provider_voucherify.order_import.chunk import Chunk


@dataclass(kw_only=True)
class Settlement:
    """
    The outcome of every order of a chunk, by its index.

    :param loaded: How many were loaded.
    :param rejected: Which were certainly not, and why.
    :param unknown: Which nobody knows of, and why.
    :param unwatched: How many were handed over without waiting for their outcome.
    """

    loaded: int = 0
    rejected: dict[int, str] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)
    unwatched: int = 0


def settle(action: AsyncAction, chunk: Chunk) -> Settlement:
    """
    Find out what became of the orders of a chunk.

    A failure is attributed to an order by its ``source_id``. The official example has a failure without one: then
    the orders that were not named are unknown, unless the counts say that all of them failed. The same holds
    where one ``source_id`` stands for several orders and only some of them failed, and where the counts do not
    make up the chunk.

    :param action: The action, ended, with its result.
    :param chunk: What it imported.
    """
    count = len(chunk.orders)
    message = str((action.result or {}).get("message") or "no message")
    if action.status == ActionStatus.FAILED and not action.done_count:
        everything = dict.fromkeys(range(count), f"async action {action.id} is {action.status}: {message}")
        return Settlement(rejected=everything) if action.done_count == 0 else Settlement(unknown=everything)

    reasons: dict[str, str] = {}
    failures: Counter[str] = Counter()
    for failure in action.failures:
        if failure.source_id is not None:
            reasons.setdefault(failure.source_id, failure.reason)
            failures[failure.source_id] += 1
    given = Counter(source_id for source_id in chunk.source_ids if source_id is not None)
    ambiguous_ids = {source_id for source_id, failed in failures.items() if failed < given[source_id]}
    rejected: dict[int, str] = {}
    ambiguous, unnamed = [], []
    for index, source_id in enumerate(chunk.source_ids):
        if source_id is None or source_id not in failures:
            unnamed.append(index)
        elif source_id in ambiguous_ids:
            ambiguous.append(index)
        else:
            rejected[index] = reasons[source_id]

    failed_unnamed = action.failed_count - len(rejected) - sum(failures[source_id] for source_id in ambiguous_ids)
    done_count = action.done_count if action.done_count is not None else count - action.failed_count
    if failed_unnamed == 0 and done_count == count - action.failed_count:
        reason = f"async action {action.id} names this source_id fewer times than there are orders with it"
        return Settlement(loaded=len(unnamed), rejected=rejected, unknown=dict.fromkeys(ambiguous, reason))
    anonymous = next((failure.reason for failure in action.failures if failure.source_id is None), message)
    if failed_unnamed == len(unnamed) and not ambiguous and done_count == 0:
        return Settlement(rejected=rejected | dict.fromkeys(unnamed, anonymous))
    reason = (
        f"async action {action.id} counts {done_count} done and {action.failed_count} failed of {count} orders "
        f"and names {len(rejected)} of the failed: this one may be loaded or not ({anonymous})"
    )
    return Settlement(rejected=rejected, unknown=dict.fromkeys(sorted([*ambiguous, *unnamed]), reason))
