"""The import of orders: which order went where, and what became of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.models import ORDERS_IMPORT, ActionStatus, AsyncAction
from airflow_provider_voucherify.api.polling import Pause, Poller
from airflow_provider_voucherify.core.state_store import NoStateStore, StateStore
from airflow_provider_voucherify.exceptions import (
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    QuotaError,
    ServerError,
    TransportError,
    VoucherifyError,
)
from airflow_provider_voucherify.order_import.checkpoint import ImportState, RecordRange, Submission
from airflow_provider_voucherify.order_import.chunk import NO_RULES, Chunk
from airflow_provider_voucherify.order_import.outcomes import Accounts, OnUnknown
from airflow_provider_voucherify.order_import.pace import Pace
from airflow_provider_voucherify.order_import.scheduler import Scheduler
from airflow_provider_voucherify.order_import.settlement import Settlement, settle
from airflow_provider_voucherify.order_source.schema.side_effects import Rules
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.reporting.progress import Progress
from airflow_provider_voucherify.reporting.reject_files import Report
from airflow_provider_voucherify.reporting.summary import ImportSummary

MAX_IN_FLIGHT = 20
MAX_BISECTIONS = 500
POLL_INTERVAL = 30.0
MAX_LOOKS = 3
MAX_LOST_IN_A_ROW = 5
MAX_RESENDS = 1
CLOCK_TOLERANCE = timedelta(seconds=5)
PROGRESS_INTERVAL = 30.0
RATE_POINTS = 10  # of the 60 of the timeline: fast enough to follow, slow enough to be steady

log = logging.getLogger(__name__)


class ImportJob:
    """
    Sends the orders of a source, chunk by chunk, and settles what became of each.

    Drive it by calling :meth:`advance` until it returns None, waiting in between as it says::

        while pause := job.advance():
            time.sleep(pause.seconds)
        summary = job.summary()

    :param client: The API.
    :param source: The orders.
    :param state: Where to go on; a fresh one begins at the start.
    :param report: Where the outcome of orders is written.
    :param state_store: Keeps the state: before each request that changes something, and after it.
    :param max_in_flight: Chunks that wait at Voucherify at most. It imports one at a time (documented), so more
        than needed to keep it busy gain nothing.
    :param wait: Whether to wait for the imports; if not, what was sent stays unknown.
    :param poll_interval: Seconds between two looks at the actions at most; the processing times seen make it less.
    :param max_bisections: Requests spent at most on finding the bad orders in refused requests.
    :param max_resends: How often orders are sent again that failed for a passing reason ("Internal error").
    :param on_unknown: ``resend`` says that it is safe to send an order with a ``source_id`` twice, because imports
        update by it, which is not documented: then orders are sent again instead of being unknown.
    :param on_progress: Told how far it has come, before each wait and every 30 seconds.
    :param rules: What to do with orders beyond what the API says.
    :param failures: Looks without an answer that were made before, in a row.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        state: ImportState,
        *,
        report: Report,
        state_store: StateStore | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        wait: bool = True,
        poll_interval: float = POLL_INTERVAL,
        max_bisections: int = MAX_BISECTIONS,
        max_resends: int = MAX_RESENDS,
        on_unknown: OnUnknown = "report",
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        rules: Rules = NO_RULES,
        failures: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._client = client
        self._scheduler = Scheduler(source, state, rules)
        self._state_store = NoStateStore() if state_store is None else state_store
        self._max_in_flight = max_in_flight
        self._wait = wait
        self._max_bisections = max_bisections
        self._accounts = Accounts(state, report, max_resends, on_unknown, clock)
        self._on_progress = on_progress
        self._clock = clock
        self._progress_at = clock()
        if not state.timeline:
            state.mark(clock())
        self._calls_before = client.transport.calls
        self._lost_in_a_row = 0
        self._poller = Poller(poll_interval, failures=failures)
        self._pace = Pace(state, poll_interval)

    def advance(self) -> Pause | None:
        """
        Do all that can be done now.

        :return: What to wait for, or None when every order has its outcome.
        :raises VoucherifyError: if it cannot go on. The state then says exactly where it stands.
        """
        pause = self._advance()
        self._keep()
        if pause:
            self._tell(waiting_for=pause.reason)
        return pause

    def _advance(self) -> Pause | None:
        try:
            ended = self._poller.poll(self._look, partial=True) if self.state.in_flight else []
            if ended is None:
                return self._poller.pause()
            # first the next chunks, then the results: Voucherify shall not wait for us
            self._fill(landed=len(ended))
            if self._poller.poll(lambda: self._settle_all(ended)) is None:
                return self._poller.pause()
            if not self.state.in_flight:
                self._fill(landed=0)
        except QuotaError as refused:
            return self._poller.pause_for_quota(refused, self._clock())
        lost = [submission for submission in self.state.in_flight if submission.action_id is None]
        if lost:
            seconds = min(self._poller.interval, 2.0 ** max(submission.looks for submission in lost))
            return Pause(seconds, "an import whose answer was lost")
        if not self.state.in_flight:
            return None
        return self._pace.pause(more=self._scheduler.more)

    @property
    def failures(self) -> int:
        """Looks without an answer, in a row, up to now."""
        return self._poller.failures

    def summary(self, report_path: str | None = None) -> ImportSummary:
        """
        Say what it came to.

        :param report_path: Where the report is, for the message.
        :raises VoucherifyError: if the counts do not add up, which would be our mistake.
        """
        state = self.state
        self._save()
        given = state.cursor.number
        if state.settled != given:
            raise VoucherifyError(
                f"Of {given} orders {state.loaded} are loaded, {state.rejected} rejected and {state.unknown} unknown, "
                f"which makes {state.settled}. This is a mistake of the provider: please report it."
            )
        return ImportSummary(
            orders=given,
            loaded=state.loaded,
            rejected=state.rejected,
            unknown=state.unknown,
            superseded=state.superseded,
            with_customer=state.with_customer,
            with_override=state.with_override,
            chunks=state.chunks,
            async_action_ids=state.action_ids,
            api_calls=state.api_calls,
            report_path=report_path,
            reasons=state.reasons,
        )

    def progress(self) -> Progress:
        """Say how far it has come."""
        state, quota = self.state, self._client.transport.quota
        since, settled_then = state.timeline[-RATE_POINTS:][0]
        return Progress(
            done=state.settled,
            share=self._scheduler.share,
            rate=(state.settled - settled_then) / max(self._clock() - since, 0.001),
            read=state.cursor.number,
            failed=state.rejected + state.unknown,
            in_flight=len(state.in_flight),
            calls=state.api_calls,
            calls_left=quota.remaining,
        )

    # out

    def _fill(self, landed: int) -> None:
        """Send until enough is on its way. While an answer is lost, another request would blur its trace."""
        if self._scheduler.more and self._client.transport.server_offset is None:
            # a lost answer is looked for by the time of its request, on Voucherify's clock; and wrong keys show here
            self._client.list_async_actions(limit=1)
        while not any(submission.action_id is None for submission in self.state.in_flight):
            if self._wait and len(self.state.in_flight) - landed >= self._max_in_flight:
                return
            following = self._scheduler.take()
            if following is None:
                return
            self._submit(*following)

    def _submit(self, record_range: RecordRange, chunk: Chunk) -> None:
        state = self.state
        number = state.take_number()
        if not chunk.orders:
            self._accounts.settle(number, chunk, Settlement())
            self._save()
            return
        submission = Submission(
            number=number,
            record_range=record_range,
            orders=len(chunk.orders),
            body_hash=chunk.body_hash(),
            sent_at=self._clock() + (self._client.transport.server_offset or 0.0),
        )
        state.in_flight.append(submission)
        self._save()
        self._post(submission, chunk)

    def _post(self, submission: Submission, chunk: Chunk) -> None:
        try:
            action_id = self._client.import_orders(chunk.body())
        except InvalidRequestError as refused:
            self._refused(submission, chunk, refused)
        except ServerError as error:
            self._lost(submission, error)
        except TransportError as error:
            if not error.sent:
                self._put_back(submission)
                raise
            self._lost(submission, error)
        except VoucherifyError:
            self._put_back(submission)
            raise
        else:
            self._accepted(submission, chunk, action_id)

    def _accepted(self, submission: Submission, chunk: Chunk, action_id: str) -> None:
        state = self.state
        submission.action_id = action_id
        state.chunks += 1
        if submission.record_range.attempt == 1:
            state.with_customer += chunk.with_customer
            state.with_override += chunk.with_override
        state.remember(action_id)
        self._lost_in_a_row = 0
        self._scheduler.learn(submission.orders)
        log.info(
            "Chunk %d: %d orders are imported by async action %s; %d in flight.",
            submission.number, submission.orders, action_id, len(state.in_flight),
        )  # fmt: skip
        if not self._wait:
            if action_id not in state.action_ids:
                state.action_ids.append(action_id)
            self._accounts.land(submission, chunk, Settlement(unwatched=submission.orders))
        self._save()

    def _put_back(self, submission: Submission) -> None:
        self.state.in_flight.remove(submission)
        self.state.queue.insert(0, submission.record_range)
        self._save()

    def _refused(self, submission: Submission, chunk: Chunk, refused: InvalidRequestError) -> None:
        """Cut a refused chunk in half until the bad orders stand alone, or until it is small enough."""
        state = self.state
        if len(chunk.orders) == 1:
            state.last_split = None
            self._accounts.land(submission, chunk, Settlement(rejected={0: _reason(refused)}))
            self._save()
            return
        if state.bisections >= self._max_bisections:
            self._put_back(submission)
            raise VoucherifyError(
                f"Gave up after {state.bisections} requests (max_bisections) to find the orders that Voucherify "
                f"refuses; the last ones are {chunk.orders[0].position} to {chunk.orders[-1].position}. "
                f"Correct the orders, or raise max_bisections. {refused}"
            ) from refused
        state.bisections += 2
        if isinstance(refused, PayloadTooLargeError):
            self._scheduler.shrink(len(chunk.orders) // 2, len(chunk.body()) // 2, str(refused))
        state.in_flight.remove(submission)
        self._scheduler.halve(submission.record_range, chunk)
        self._save()

    # lost answers

    def _lost(self, submission: Submission, error: VoucherifyError) -> None:
        self._lost_in_a_row += 1
        log.warning("Chunk %d was sent and the answer is lost; looking for its action. %s", submission.number, error)
        if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
            self._save()
            raise error
        self._save()

    def _find_lost(self) -> None:
        """Look for the action of a chunk whose answer was lost, before it is sent again."""
        for submission in [submission for submission in self.state.in_flight if submission.action_id is None]:
            found = self._imports_since(datetime.fromtimestamp(submission.sent_at, UTC) - CLOCK_TOLERANCE)
            if len(found) == 1:
                self._accepted(submission, self._scheduler.chunk_of(submission), found[0].id)
            elif found:
                ids = ", ".join(action.id for action in found)
                chunk = self._scheduler.chunk_of(submission)
                reason = f"sent, the answer was lost, and it may be any of the async actions {ids}"
                self._accounts.land(
                    submission, chunk, Settlement(unknown=dict.fromkeys(range(len(chunk.orders)), reason))
                )
                self._save()
            else:
                submission.looks += 1
                if submission.looks >= MAX_LOOKS:
                    log.warning("Chunk %d did not arrive; it is sent again.", submission.number)
                    self._put_back(submission)

    def _imports_since(self, moment: datetime) -> list[AsyncAction]:
        known = {*self.state.recent_ids, *(submission.action_id for submission in self.state.in_flight)}
        found: list[AsyncAction] = []
        page = self._client.list_async_actions()
        while True:
            recent = [action for action in page.async_actions if action.created_at and action.created_at >= moment]
            found += [action for action in recent if action.type == ORDERS_IMPORT and action.id not in known]
            if not page.has_more or not recent or len(recent) < len(page.async_actions):
                return found
            page = self._client.list_async_actions(end_date=recent[-1].created_at)

    # back

    def _look(self) -> list[Submission]:
        """Ask for all actions in flight with one call; find those that ended."""
        self._find_lost()
        submissions = {submission.action_id: submission for submission in self.state.in_flight if submission.action_id}
        if len(submissions) < 2:
            return list(submissions.values())
        running = {action.id for action in self._client.list_async_actions().async_actions if not action.ended}
        return [submission for action_id, submission in submissions.items() if action_id not in running]

    def _settle_all(self, ended: list[Submission]) -> bool:
        """Get the result of each action that ended."""
        for submission in ended:
            action = self._result(submission.action_id or "")
            if action.ended:
                self._arrived(submission, action)
        return True

    def _result(self, action_id: str) -> AsyncAction:
        try:
            return self._client.get_async_action(action_id)
        except NotFoundError as error:
            return AsyncAction(
                id=action_id, type=ORDERS_IMPORT, status=ActionStatus.FAILED, result={"message": str(error)}
            )

    def _arrived(self, submission: Submission, action: AsyncAction) -> None:
        self._pace.learn(action.processing_time)
        chunk = self._scheduler.chunk_of(submission)
        self._accounts.land(submission, chunk, settle(action, chunk))
        self._save()

    def _save(self) -> None:
        self._keep()
        if self._clock() - self._progress_at >= PROGRESS_INTERVAL:
            self._tell()

    def _keep(self) -> None:
        calls = self._client.transport.calls
        self.state.api_calls += calls - self._calls_before
        self._calls_before = calls
        self._state_store.save(self.state.to_json())

    def _tell(self, waiting_for: str = "") -> None:
        self._progress_at = self._clock()
        progress = self.progress()
        log.info("%s%s", progress, f"; waiting for {waiting_for}" if waiting_for else "")
        self._on_progress(progress)


def _reason(refused: InvalidRequestError) -> str:
    response = refused.response
    return ": ".join(part for part in (response.message, response.details) if part)
