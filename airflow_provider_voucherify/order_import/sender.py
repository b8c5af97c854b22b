"""Send chunks: save before each request, bisect what is refused, and search for what a lost response left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.redaction import one_line
from airflow_provider_voucherify.exceptions import (
    InvalidRequestError,
    PayloadTooLargeError,
    ServerError,
    TransportError,
    VoucherifyError,
)
from airflow_provider_voucherify.order_import.checkpoint import MAX_ACTION_IDS, MAX_UNVERIFIED, ImportState, Submission
from airflow_provider_voucherify.order_import.chunk import Cause, Chunk
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_import.lost_submissions import LostSubmissions
from airflow_provider_voucherify.order_import.outcomes import ChunkOutcome, Outcomes
from airflow_provider_voucherify.order_import.record_range import RecordRange
from airflow_provider_voucherify.order_import.scheduler import Scheduler
from airflow_provider_voucherify.reporting.reject_files import OutcomeCode

MAX_LOST = 3
MAX_LOST_IN_A_ROW = 5

log = logging.getLogger(__name__)


class Sender:
    """
    Sends the chunks that the scheduler hands out.

    :param client: The API.
    :param state: The state of the import.
    :param scheduler: Hands out the chunks.
    :param outcomes: Records the outcome of orders.
    :param lost_submissions: Searches for chunks whose response was lost.
    :param config: The options.
    :param save: Saves the state.
    :param clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        state: ImportState,
        scheduler: Scheduler,
        outcomes: Outcomes,
        lost_submissions: LostSubmissions,
        config: ImportConfig,
        save: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._state = state
        self._checkpoint = state.checkpoint
        self._scheduler = scheduler
        self._outcomes = outcomes
        self._lost_submissions = lost_submissions
        self._config = config
        self._save = save
        self._clock = clock
        self._lost_in_a_row = 0
        self._bisected: tuple[int, int] | None = None

    @property
    def lost(self) -> list[Submission]:
        """The chunks whose response was lost and whose action was not found yet."""
        return [submission for submission in self._checkpoint.in_flight if submission.action_id is None]

    @property
    def sends_more(self) -> bool:
        """Whether there may be more to send, before orders are read back."""
        return self._scheduler.has_more and len(self._checkpoint.unverified) < MAX_UNVERIFIED

    def fill(self, ended: int) -> None:
        """
        Send chunks until enough are in flight, or the responses to too many of them are lost.

        :param ended: How many chunks in flight have ended, though their outcome is not recorded yet.
        """
        if self._scheduler.has_more and not self._client.transport.server_clock.is_known:
            # what a lost response left behind is searched for by its time on Voucherify's clock; wrong keys fail here
            self._lost_submissions.report_foreign(self._client.list_async_actions().async_actions)
        while self.sends_more and len(self.lost) < MAX_LOST:
            in_flight = len(self._checkpoint.in_flight) - ended
            if self._config.wait_for_completion and in_flight >= self._config.max_in_flight:
                return
            following = self._scheduler.take()
            if following is None:
                return
            self._submit(*following)

    def find_lost(self) -> None:
        """Search for the actions of chunks whose response was lost; send again what certainly did not arrive."""
        for submission in self.lost:
            found = self._lost_submissions.search(submission)
            if found.action_id is not None:
                self._accepted(submission, self._scheduler.chunk_of(submission), found.action_id)
            elif found.unproved_ids:
                chunk = self._scheduler.chunk_of(submission)
                reason = (
                    "sent, but the response was lost, and nothing proves whether any of these async actions imported "
                    f"it: {', '.join(found.unproved_ids)}"
                )
                lost = Cause(reason, OutcomeCode.LOST, retryable=True)
                everything = dict.fromkeys(range(len(chunk.orders)), lost)
                self._outcomes.record_submission(submission, chunk, ChunkOutcome(unknown=everything, failure=lost))
                self._save()
            elif found.not_arrived:
                log.warning("Chunk %d did not arrive and is sent again.", submission.number)
                self._put_back(submission)

    def _submit(self, record_range: RecordRange, chunk: Chunk) -> None:
        number = self._checkpoint.take_number()
        if not chunk.orders:
            self._outcomes.record_unsent(number, chunk)
            self._save()
            return
        submission = Submission(
            number=number,
            record_range=record_range,
            orders=len(chunk.orders),
            body_hash=chunk.body_hash(),
            sent_at=self._server_time(),
        )
        self._checkpoint.in_flight.append(submission)
        self._post(submission, chunk)

    def _server_time(self) -> float:
        return self._client.transport.server_clock.at(self._clock())

    def _post(self, submission: Submission, chunk: Chunk) -> None:
        def save_as_sent() -> None:
            submission.sent_at = self._server_time()
            self._save()

        try:
            action_id = self._client.import_orders(chunk.body(), before_send=save_as_sent)
        except InvalidRequestError as error:
            self._refused(submission, chunk, error)
        except ServerError as error:
            self._response_lost(submission, error)
        except TransportError as error:
            if not error.sent:
                self._put_back(submission)
                raise
            self._response_lost(submission, error)
        except VoucherifyError:
            self._put_back(submission)
            raise
        else:
            self._accepted(submission, chunk, action_id)

    def _accepted(self, submission: Submission, chunk: Chunk, action_id: str) -> None:
        state, counters = self._state, self._state.counters
        submission.action_id = action_id
        counters.chunks += 1
        if submission.record_range.attempt == 1:
            counters.with_customer += chunk.with_customer
            counters.with_override += chunk.with_override
        self._checkpoint.remember_action(action_id)
        waits = self._config.wait_for_completion
        if not waits or len(state.action_ids) < MAX_ACTION_IDS:
            state.action_ids.append(action_id)
        self._lost_in_a_row = 0
        self._scheduler.learn_from_acceptance(submission.orders)
        log.info(
            "Chunk %d: %d orders are imported by async action %s; %d chunks in flight.",
            submission.number, submission.orders, action_id, len(self._checkpoint.in_flight),
        )  # fmt: skip
        if not waits:
            self._outcomes.record_submission(submission, chunk, ChunkOutcome(unwatched=submission.orders))
        self._save()

    def _put_back(self, submission: Submission) -> None:
        self._checkpoint.in_flight.remove(submission)
        self._scheduler.put_back(submission.record_range)
        self._save()

    def _refused(self, submission: Submission, chunk: Chunk, error: InvalidRequestError) -> None:
        """Halve a refused chunk until the bad orders stand alone, or until it is small enough."""
        checkpoint = self._checkpoint
        if len(chunk.orders) == 1:
            self._scheduler.end_split()
            refused = Cause(error.response.reason, OutcomeCode.REFUSED)
            self._outcomes.record_submission(submission, chunk, ChunkOutcome(rejected={0: refused}))
            self._save()
            return
        if checkpoint.bisections >= self._config.max_bisections:
            self._put_back(submission)
            raise VoucherifyError(
                f"Gave up after {checkpoint.bisections} requests (max_bisections) to find the orders that Voucherify "
                f"refuses; the last ones are {chunk.orders[0].position} to {chunk.orders[-1].position}. "
                f"Correct the orders, or raise max_bisections. {error}"
            ) from error
        self._log_bisection(submission, chunk, error)
        checkpoint.bisections += 2
        if isinstance(error, PayloadTooLargeError):
            self._scheduler.shrink(len(chunk.orders) // 2, len(chunk.body()) // 2, str(error))
        checkpoint.in_flight.remove(submission)
        self._scheduler.halve(submission.record_range, chunk)
        self._save()

    def _log_bisection(self, submission: Submission, chunk: Chunk, error: InvalidRequestError) -> None:
        """Log what was refused and why, once for all the halves that come of it."""
        record_range = submission.record_range
        origin = record_range.start.number, record_range.attempt
        if origin != self._bisected:
            self._bisected = origin
            log.warning(
                "Chunk %d was refused: its %d orders, %s to %s, are sent again in halves until those that Voucherify "
                "refuses stand alone, with at most %d requests more (max_bisections). %s",
                submission.number, len(chunk.orders), one_line(chunk.orders[0].position),
                one_line(chunk.orders[-1].position), self._config.max_bisections - self._checkpoint.bisections, error,
            )  # fmt: skip

    def _response_lost(self, submission: Submission, error: VoucherifyError) -> None:
        self._lost_in_a_row += 1
        submission.request_id = getattr(error, "request_id", None)
        log.warning(
            "Chunk %d was sent, but the response was lost. Searching for its action. %s", submission.number, error
        )
        self._save()
        if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
            raise error
