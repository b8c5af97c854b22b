"""The log of calls: counts by route and status, accepted imports, idle time of the import queue."""

from __future__ import annotations

import threading
from collections import Counter
from hashlib import sha256
from typing import Any


class CallLog:
    """Counts since the start or the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Set all counts to zero."""
        with self._lock:
            self._routes: Counter[str] = Counter()
            self._statuses: Counter[int] = Counter()
            self._lost = 0
            self._imports: list[dict[str, Any]] = []
            self._first_start: float | None = None
            self._start: float | None = None
            self._last_end = 0.0
            self._busy = 0.0
            self._done = 0

    def received(self, label: str) -> None:
        """Count a call.

        :param label: Method and path template.
        """
        with self._lock:
            self._routes[label] += 1

    def responded(self, status: int | None) -> None:
        """Count a response.

        :param status: HTTP status, or None for a response that was lost.
        """
        with self._lock:
            if status is None:
                self._lost += 1
            else:
                self._statuses[status] += 1

    def import_accepted(self, action_id: str, orders: int, body: bytes) -> None:
        """Record an import that was queued.

        :param action_id: Its async action.
        :param orders: Number of its orders.
        :param body: Its body.
        """
        entry = {
            "async_action_id": action_id,
            "orders": orders,
            "bytes": len(body),
            "sha256": sha256(body).hexdigest(),
        }
        with self._lock:
            self._imports.append(entry)

    def import_started(self, moment: float) -> None:
        """Record that the queue started an import.

        :param moment: Monotonic seconds.
        """
        with self._lock:
            self._start = moment
            if self._first_start is None:
                self._first_start = moment

    def import_finished(self, moment: float) -> None:
        """Record that the queue finished an import.

        :param moment: Monotonic seconds.
        """
        with self._lock:
            if self._start is None:
                return
            self._busy += moment - self._start
            self._start, self._last_end = None, moment
            self._done += 1

    def report(self) -> dict[str, Any]:
        """Return the counts.

        ``import_queue`` is about the time from the start of the first import to the end of the last, in real seconds:
        ``idle_seconds`` of it no import was running, ``idle_share`` is their share of it.

        :return: JSON-ready counts.
        """
        with self._lock:
            span = max(self._last_end - self._first_start, 0.0) if self._first_start is not None else 0.0
            idle = max(span - self._busy, 0.0)
            hashes = Counter(entry["sha256"] for entry in self._imports)
            return {
                "total": self._routes.total(),
                "calls": dict(sorted(self._routes.items())),
                "responses": {str(status): count for status, count in sorted(self._statuses.items())},
                "responses_lost": self._lost,
                "refused": self._statuses[429],
                "imports": list(self._imports),
                "repeated_imports": sum(count - 1 for count in hashes.values()),
                "import_queue": {
                    "done": self._done,
                    "busy_seconds": self._busy,
                    "idle_seconds": idle,
                    "idle_share": idle / span if span else 0.0,
                },
            }
