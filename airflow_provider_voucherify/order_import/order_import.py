"""The import of orders: which order went where, and what became of it."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.errors import (
    InvalidRequestError,
    PayloadTooLargeError,
    QuotaError,
    ServerError,
    TransportError,
    VoucherifyError,
)
from airflow_provider_voucherify.api.models import ORDERS_IMPORT, AsyncAction
from airflow_provider_voucherify.api.polling import Poll
from airflow_provider_voucherify.order_import.chunk import NO_RULES, Chunk, Outcome, chunks
from airflow_provider_voucherify.order_import.report import Report
from airflow_provider_voucherify.order_import.rules import Rules
from airflow_provider_voucherify.order_import.settlement import Settlement, settle
from airflow_provider_voucherify.order_import.source import Cursor, Source
from airflow_provider_voucherify.order_import.state import KEPT_REASONS, Flight, ImportState, Save, Stretch
from airflow_provider_voucherify.order_import.summary import ImportSummary

MAX_IN_FLIGHT = 10
MAX_BISECTIONS = 500
POLL_INTERVAL = 30.0
FIRST_POLL = 1.0
MAX_LOOKS = 3
MAX_LOST_IN_A_ROW = 5
CLOCK_TOLERANCE = timedelta(seconds=5)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """
    Nothing can be done before some time has passed.

    :param seconds: How long.
    :param reason: What is waited for, for people.
    :param action_ids: The actions that are waited for; empty when it is something else.
    :param enough: How many of these actions must have ended before there is something to do.
    """

    seconds: float
    reason: str
    action_ids: tuple[str, ...] = ()
    enough: int = 0


class OrderImport:
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
    :param save: Keeps the state. Called before each request that changes something, and after it.
    :param max_in_flight: Chunks that wait at Voucherify at most. It imports one at a time (documented), so more
        than needed to keep it busy gain nothing.
    :param wait: Whether to wait for the imports; if not, what was sent stays unknown.
    :param poll_interval: Seconds between two looks at the actions at most; the processing times seen make it less.
    :param max_bisections: Requests spent at most on finding the bad orders in refused requests.
    :param rules: What to do with orders beyond what the API says.
    :param clock: The time in seconds since the epoch.
    """

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        state: ImportState,
        *,
        report: Report,
        save: Save = lambda _state: None,
        max_in_flight: int = MAX_IN_FLIGHT,
        wait: bool = True,
        poll_interval: float = POLL_INTERVAL,
        max_bisections: int = MAX_BISECTIONS,
        rules: Rules = NO_RULES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._client = client
        self._source = source
        self._report = report
        self._save_state = save
        self._max_in_flight = max_in_flight
        self._wait = wait
        self._poll_interval = poll_interval
        self._max_bisections = max_bisections
        self._rules = rules
        self._clock = clock
        self._reader: Iterator[Chunk] | None = None
        self._exhausted = False
        self._calls_before = client.transport.calls
        self._lost_in_a_row = 0
        self._looks = Poll(poll_interval)
        self._next_wait = min(FIRST_POLL, poll_interval)

    def advance(self) -> Pause | None:
        """
        Do all that can be done now.

        :return: What to wait for, or None when every order has its outcome.
        :raises VoucherifyError: if it cannot go on. The state then says exactly where it stands.
        """
        try:
            if self.state.in_flight and self._looks.look(self._look) is None:
                return Pause(seconds=self._looks.wait, reason="Voucherify does not answer")
            self._fill()
        except QuotaError as refused:
            self._save()
            now = self._clock()
            seconds = max(1.0, (refused.answer.retry_at or now + self._poll_interval) - now)
            return Pause(seconds=seconds, reason=str(refused))
        lost = [flight for flight in self.state.in_flight if flight.action_id is None]
        if lost:
            seconds = min(self._poll_interval, 2.0 ** max(flight.looks for flight in lost))
            return Pause(seconds=seconds, reason="looking for an import whose answer was lost")
        if not self.state.in_flight:
            return None
        return self._pause_for_actions()

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
            chunks=state.chunks,
            async_action_ids=state.action_ids,
            api_calls=state.api_calls,
            report_path=report_path,
            reasons=state.reasons,
        )

    # out

    def _fill(self) -> None:
        """Send until enough is on its way. While an answer is lost, another request would blur its trace."""
        if self._client.transport.server_offset is None:
            # a lost answer is looked for by the time of its request, on Voucherify's clock; and wrong keys show here
            self._client.list_async_actions(limit=1)
        while not any(flight.action_id is None for flight in self.state.in_flight):
            if self._wait and len(self.state.in_flight) >= self._max_in_flight:
                return
            chunk = self._next_chunk()
            if chunk is None:
                return
            self._submit(chunk)

    def _next_chunk(self) -> Chunk | None:
        state = self.state
        if state.queue:
            stretch = state.queue.pop(0)
            chunk = next(self._chunks(stretch))
            if rest := stretch.records - chunk.records:
                state.queue.insert(0, Stretch(chunk.end, rest))
            return chunk
        if self._exhausted:
            return None
        if self._reader is None:
            records = self._source.read(state.cursor)
            self._reader = chunks(records, state.cursor, state.max_orders, state.max_body_bytes, self._rules)
        try:
            following = next(self._reader, None)
        except Exception:
            self._reader = None  # a generator that raised would seem to be at its end
            raise
        if following is None:
            self._exhausted = True
        else:
            state.cursor = following.end
        return following

    def _chunks(self, stretch: Stretch) -> Iterator[Chunk]:
        records = itertools.islice(self._source.read(stretch.start), stretch.records)
        return chunks(records, stretch.start, self.state.max_orders, self.state.max_body_bytes, self._rules)

    def _submit(self, chunk: Chunk) -> None:
        state = self.state
        number = state.take_number()
        if not chunk.orders:
            self._settle(number, Settlement(rejected=chunk.invalid))
            self._save()
            return
        flight = Flight(
            number=number,
            start=chunk.start,
            records=chunk.records,
            orders=len(chunk.orders),
            body_hash=chunk.body_hash(),
            sent_at=self._clock() + (self._client.transport.server_offset or 0.0),
        )
        state.in_flight.append(flight)
        self._save()
        self._post(flight, chunk)

    def _post(self, flight: Flight, chunk: Chunk) -> None:
        try:
            action_id = self._client.import_orders(chunk.body())
        except InvalidRequestError as refused:
            self._refused(flight, chunk, refused)
        except ServerError as error:
            self._lost(flight, error)
        except TransportError as error:
            if not error.sent:
                self._put_back(flight)
                raise
            self._lost(flight, error)
        except VoucherifyError:
            self._put_back(flight)
            raise
        else:
            self._accepted(flight, chunk, action_id)

    def _accepted(self, flight: Flight, chunk: Chunk, action_id: str) -> None:
        state = self.state
        flight.action_id = action_id
        state.chunks += 1
        state.remember(action_id)
        self._lost_in_a_row = 0
        log.info(
            "Chunk %d: %d orders are imported by async action %s; %d in flight.",
            flight.number, flight.orders, action_id, len(state.in_flight),
        )  # fmt: skip
        if not self._wait:
            if action_id not in state.action_ids:
                state.action_ids.append(action_id)
            self._land(flight, Settlement(rejected=chunk.invalid, unwatched=flight.orders))
        self._save()

    def _put_back(self, flight: Flight) -> None:
        self.state.in_flight.remove(flight)
        self.state.queue.insert(0, flight.stretch)
        self._save()

    def _refused(self, flight: Flight, chunk: Chunk, refused: InvalidRequestError) -> None:
        """Cut a refused chunk in half until the bad orders stand alone, or until it is small enough."""
        state = self.state
        if len(chunk.orders) == 1:
            self._land(flight, Settlement(rejected=[*chunk.invalid, chunk.outcome(0, _reason(refused))]))
            self._save()
            return
        if state.bisections >= self._max_bisections:
            self._put_back(flight)
            raise VoucherifyError(
                f"Gave up after {state.bisections} requests (max_bisections) to find the orders that Voucherify "
                f"refuses; the last ones are {chunk.orders[0].position} to {chunk.orders[-1].position}. "
                f"Correct the orders, or raise max_bisections. {refused}"
            ) from refused
        state.bisections += 2
        if isinstance(refused, PayloadTooLargeError):
            state.max_orders = max(1, len(chunk.orders) // 2)
            state.max_body_bytes = max(2, len(chunk.body()) // 2)
            self._reader = None
            log.warning("Chunks have %d orders from now on: %s", state.max_orders, refused)
        half = _records_of_half(chunk)
        state.in_flight.remove(flight)
        state.queue[:0] = [
            Stretch(chunk.start, half),
            Stretch(self._place_after(chunk.start, half), chunk.records - half),
        ]
        self._save()

    def _place_after(self, start: Cursor, records: int) -> Cursor:
        *_, last = itertools.islice(self._source.read(start), records)
        return last.after

    # lost answers

    def _lost(self, flight: Flight, error: VoucherifyError) -> None:
        self._lost_in_a_row += 1
        log.warning("Chunk %d was sent and the answer is lost; looking for its action. %s", flight.number, error)
        if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
            self._save()
            raise error
        self._save()

    def _find_lost(self) -> None:
        """Look for the action of a chunk whose answer was lost, before it is sent again."""
        for flight in [flight for flight in self.state.in_flight if flight.action_id is None]:
            found = self._imports_since(datetime.fromtimestamp(flight.sent_at, UTC) - CLOCK_TOLERANCE)
            if len(found) == 1:
                self._accepted(flight, self._chunk_of(flight), found[0].id)
            elif found:
                ids = ", ".join(action.id for action in found)
                chunk = self._chunk_of(flight)
                reason = f"sent, the answer was lost, and it may be any of the async actions {ids}"
                everything = [chunk.outcome(index, reason) for index in range(len(chunk.orders))]
                self._land(flight, Settlement(rejected=chunk.invalid, unknown=everything))
                self._save()
            else:
                flight.looks += 1
                if flight.looks >= MAX_LOOKS:
                    log.warning("Chunk %d did not arrive; it is sent again.", flight.number)
                    self._put_back(flight)

    def _imports_since(self, moment: datetime) -> list[AsyncAction]:
        known = {*self.state.recent_ids, *(flight.action_id for flight in self.state.in_flight)}
        found: list[AsyncAction] = []
        page = self._client.list_async_actions()
        while True:
            recent = [action for action in page.async_actions if action.created_at and action.created_at >= moment]
            found += [action for action in recent if action.type == ORDERS_IMPORT and action.id not in known]
            if not page.has_more or not recent or len(recent) < len(page.async_actions):
                return found
            page = self._client.list_async_actions(end_date=recent[-1].created_at)

    # back

    def _look(self) -> bool:
        self._find_lost()
        self._poll()
        return True

    def _poll(self) -> None:
        """Ask for all actions in flight with one call, and for the result of each that ended with one more."""
        flights = {flight.action_id: flight for flight in self.state.in_flight if flight.action_id}
        for action in self._client.poll_async_actions(list(flights)):
            if action.ended:
                whole = action if action.result else self._client.get_async_action(action.id)
                self._arrived(flights[action.id], whole)

    def _arrived(self, flight: Flight, action: AsyncAction) -> None:
        if action.processing_time:
            seconds, before = action.processing_time / 1000, self.state.action_seconds
            self.state.action_seconds = seconds if before is None else 0.7 * before + 0.3 * seconds
        self._land(flight, settle(action, self._chunk_of(flight)))
        self._next_wait = min(FIRST_POLL, self._poll_interval)
        self._save()

    def _chunk_of(self, flight: Flight) -> Chunk:
        """Read the records of a chunk again, rather than hold them."""
        records = itertools.islice(self._source.read(flight.start), flight.records)
        chunk = next(chunks(records, flight.start, flight.records, 2**63, self._rules))
        if chunk.body_hash() != flight.body_hash:
            raise VoucherifyError(
                f"{self._source.name} changed while it was imported: the orders of chunk {flight.number}, from "
                f"{chunk.orders[0].position if chunk.orders else flight.start} on, are not those that were sent."
            )
        return chunk

    def _land(self, flight: Flight, settlement: Settlement) -> None:
        self._settle(flight.number, settlement)
        self.state.in_flight.remove(flight)

    def _settle(self, number: int, settlement: Settlement) -> None:
        state = self.state
        self._report.write("rejected", number, settlement.rejected)
        self._report.write("unknown", number, settlement.unknown)
        state.loaded += settlement.loaded
        state.rejected += len(settlement.rejected)
        state.unknown += len(settlement.unknown) + settlement.unwatched
        room = KEPT_REASONS - len(state.reasons)
        state.reasons += [_told(outcome) for outcome in [*settlement.rejected, *settlement.unknown][:room]]

    def _pause_for_actions(self) -> Pause:
        flights = self.state.in_flight
        more = bool(self.state.queue) or not self._exhausted
        enough = max(1, len(flights) // 2) if more else len(flights)
        if self.state.action_seconds is None:
            seconds, self._next_wait = self._next_wait, self._next_wait * 2
        else:
            seconds = max(self.state.action_seconds * enough, FIRST_POLL)
        return Pause(
            seconds=min(seconds, self._poll_interval),
            reason=f"{len(flights)} imports in flight",
            action_ids=tuple(flight.action_id for flight in flights if flight.action_id),
            enough=enough,
        )

    def _save(self) -> None:
        calls = self._client.transport.calls
        self.state.api_calls += calls - self._calls_before
        self._calls_before = calls
        self._save_state(self.state)


def _records_of_half(chunk: Chunk) -> int:
    """Count the records that belong to the first half of the orders of a chunk."""
    first_of_second_half = chunk.orders[len(chunk.orders) // 2].after.number
    return first_of_second_half - 1 - chunk.start.number


def _reason(refused: InvalidRequestError) -> str:
    answer = refused.answer
    return ": ".join(part for part in (answer.message, answer.details) if part)


def _told(outcome: Outcome) -> str:
    who = f" (source_id {outcome.source_id})" if outcome.source_id else ""
    return f"{outcome.position}{who}: {outcome.reason}"
