"""What an async action says of the orders of its chunk, and what it leaves open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from airflow_provider_voucherify.api.models import ActionStatus, AsyncAction
from airflow_provider_voucherify.order_import.chunk import Chunk, Outcome


@dataclass(kw_only=True)
class Settlement:
    """
    The outcome of every order of a chunk.

    :param loaded: How many were loaded.
    :param rejected: Which were certainly not.
    :param unknown: Which nobody knows of.
    :param unwatched: How many were handed over without waiting for their outcome.
    """

    loaded: int = 0
    rejected: list[Outcome] = field(default_factory=list)
    unknown: list[Outcome] = field(default_factory=list)
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
    indexes = range(len(chunk.orders))
    message = str((action.result or {}).get("message") or "no message")
    if action.status == ActionStatus.FAILED and not action.done_count:
        reason = f"async action {action.id} is {action.status}: {message}"
        everything = [chunk.outcome(index, reason) for index in indexes]
        if action.done_count == 0:
            return Settlement(rejected=[*chunk.invalid, *everything])
        return Settlement(rejected=list(chunk.invalid), unknown=everything)

    reasons: dict[str, str] = {}
    failures: Counter[str] = Counter()
    for failure in action.failures:
        if failure.source_id is not None:
            reasons.setdefault(failure.source_id, failure.reason)
            failures[failure.source_id] += 1
    given = Counter(source_id for source_id in chunk.source_ids if source_id is not None)
    rejected_ids = {source_id for source_id, count in failures.items() if count >= given[source_id] > 0}
    ambiguous_ids = {source_id for source_id, count in failures.items() if 0 < count < given[source_id]}

    named = [index for index in indexes if chunk.source_ids[index] in rejected_ids]
    ambiguous = [index for index in indexes if chunk.source_ids[index] in ambiguous_ids]
    rest = [index for index in indexes if chunk.source_ids[index] not in rejected_ids | ambiguous_ids]
    failed_ambiguous = sum(failures[source_id] for source_id in ambiguous_ids)
    failed_unnamed = action.failed_count - len(named) - failed_ambiguous
    done_count = action.done_count if action.done_count is not None else len(chunk.orders) - action.failed_count
    rejected = [*chunk.invalid, *(chunk.outcome(index, reasons[chunk.source_ids[index] or ""]) for index in named)]

    if failed_unnamed == 0 and done_count == len(chunk.orders) - action.failed_count:
        reason = f"async action {action.id} names this source_id fewer times than there are orders with it"
        return Settlement(
            loaded=len(rest), rejected=rejected, unknown=[chunk.outcome(index, reason) for index in ambiguous]
        )
    anonymous = next((failure.reason for failure in action.failures if failure.source_id is None), message)
    if failed_unnamed == len(rest) and not ambiguous and done_count == 0:
        return Settlement(rejected=[*rejected, *(chunk.outcome(index, anonymous) for index in rest)])
    reason = (
        f"async action {action.id} counts {done_count} done and {action.failed_count} failed of {len(chunk.orders)} "
        f"orders and names {len(named)} of the failed: this one may be loaded or not ({anonymous})"
    )
    return Settlement(rejected=[*chunk.invalid, *rejected], unknown=[chunk.outcome(index, reason) for index in rest])
