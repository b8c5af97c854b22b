"""Find what became of chunks whose response was lost, before any of them is sent again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import ORDERS_IMPORT, AsyncAction
from airflow_provider_voucherify.core.lost_requests import SEARCH_MARGIN, async_actions_since
from airflow_provider_voucherify.order_import.checkpoint import Checkpoint, Submission
from airflow_provider_voucherify.order_import.proof import Proof, prove
from airflow_provider_voucherify.order_import.scheduler import Scheduler

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """
    The result of a search; nothing is set while it has to continue.

    :param action_id: The async action that is proved to import the chunk.
    :param unproved_ids: Async actions of which any may import it; no proof is possible.
    :param not_arrived: Whether the request did not arrive, and cannot arrive any more.
    """

    action_id: str | None = None
    unproved_ids: tuple[str, ...] = ()
    not_arrived: bool = False


class LostSubmissions:
    """
    Searches for the async actions of chunks whose response was lost.

    :param client: The API.
    :param checkpoint: The chunks in flight, and the actions known to belong to others.
    :param scheduler: Reads the orders of a chunk again.
    :param timeout: How long a request may still arrive after its response was lost, in seconds.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        checkpoint: Checkpoint,
        scheduler: Scheduler,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._checkpoint = checkpoint
        self._scheduler = scheduler
        self._timeout = timeout
        self._clock = clock
        self._foreign_reported = False

    def search(self, submission: Submission) -> Found:
        """
        Search once for the action of a chunk.

        :param submission: The chunk.
        """
        actions = [
            action
            for action in async_actions_since(self._client, submission.sent_at, ORDERS_IMPORT, self._known_ids())
            if action.created_at and action.created_at.timestamp() < self._last_arrival(submission)
        ]
        is_running, read_back, unproved = False, [], []
        for action in reversed(actions):
            if not action.ended:
                is_running = True
                continue
            proof = self._prove(action, submission)
            if proof is Proof.OURS:
                return Found(action_id=action.id)
            if proof is Proof.READ_BACK:
                read_back.append(action.id)
            elif proof is Proof.OPEN:
                unproved.append(action.id)
        if read_back and not unproved and not is_running:
            return Found(action_id=read_back[0])
        submission.searches += 1
        if is_running or self.may_still_arrive(submission.sent_at):
            return Found()
        candidates = (*read_back, *unproved)
        return Found(unproved_ids=candidates, not_arrived=not candidates)

    def may_still_arrive(self, sent_at: float) -> bool:
        """
        Return whether a request may still arrive at Voucherify, or what it created may still become visible.

        :param sent_at: When it was sent, in seconds since the epoch on Voucherify's clock.
        """
        return self._client.transport.server_clock.at(self._clock()) - sent_at < self._timeout

    def report_foreign(self, actions: Iterable[AsyncAction]) -> None:
        """
        Warn once if others import orders into the same project, unless one of the imports may be a lost one of ours.

        :param actions: Async actions as listed.
        """
        in_flight = self._checkpoint.in_flight
        if self._foreign_reported or any(sent.action_id is None for sent in in_flight):
            return
        known = self._known_ids()
        since = min((sent.sent_at for sent in in_flight), default=math.inf)
        for action in actions:
            is_recent = not action.ended or (action.created_at and action.created_at.timestamp() >= since)
            if action.type == ORDERS_IMPORT and is_recent and action.id not in known:
                self._foreign_reported = True
                log.warning(
                    "Another import of orders is running in this project (async action %s). Voucherify imports one at "
                    "a time, so that both take longer, and a lost response is harder to trace.",
                    action.id,
                )
                return

    def _last_arrival(self, submission: Submission) -> float:
        return submission.sent_at + self._timeout + SEARCH_MARGIN.total_seconds()

    def _prove(self, action: AsyncAction, submission: Submission) -> Proof:
        result = self._client.get_async_action(action.id)
        proof = prove(self._client, result, submission, self._scheduler.chunk_of(submission))
        if proof is Proof.FOREIGN:
            log.info("Async action %s is not the import of chunk %d.", action.id, submission.number)
            if len([sent for sent in self._checkpoint.in_flight if sent.action_id is None]) == 1:
                self._checkpoint.remember_foreign(action.id)
        return proof

    def _known_ids(self) -> set[str]:
        checkpoint = self._checkpoint
        in_flight = {sent.action_id for sent in checkpoint.in_flight if sent.action_id}
        return in_flight.union(checkpoint.recent_action_ids, checkpoint.foreign_action_ids)
