"""What is known of the rate limit of a project, once in a process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

FIRST_PROBE = 60.0


@dataclass
class ProjectLimit:
    """
    What is known of the limit of one project, shared by all clients of it in this process.

    :param limit: Calls of a period.
    :param remaining: Calls that were left when the last response was sent.
    :param retry_at: When the next call can be made, in seconds since the epoch; None if it can be made now.
    :param resets_at: When the period ends, in seconds since the epoch, if the headers say so.
    :param reset: The same on Voucherify's clock.
    :param period: The longest time to a reset that was seen, in seconds.
    :param others_per_second: How many calls others make.
    :param others_observed: For how many seconds they were observed.
    :param contenders: How many times our own calls are all calls of the period: as many processes like this one seem
        to share the limit. It is too many for one that has just begun, which therefore yields to the others.
    :param usual_contenders: How many there were before.
    :param period_calls: How many calls of this period are our own, without those in flight.
    :param period_number: How many periods there were.
    :param begun: The period in which the call of this thread was begun.
    """

    limit: int | None = None
    remaining: int | None = None
    retry_at: float | None = None
    resets_at: float | None = None
    reset: int | None = None
    period: float = 0.0
    others_per_second: float = 0.0
    others_observed: float = 0.0
    contenders: float = 1.0
    usual_contenders: float = 1.0
    observed_at: float | None = None
    is_known: bool = False
    in_flight: int = 0
    own_calls: int = 0
    period_calls: int = 0
    period_number: int = 0
    begun: threading.local = field(default_factory=threading.local)
    draw: float = 0.0
    first_call_at: float = 0.0
    next_poll_at: float = 0.0
    probe: float = FIRST_PROBE
    lock: threading.Lock = field(default_factory=threading.Lock)


_projects: dict[tuple[str, str], ProjectLimit] = {}
_projects_lock = threading.Lock()


def limit_of_project(base_url: str, app_id: str) -> ProjectLimit:
    """
    Return the limit that all clients of a project share in this process.

    :param base_url: Scheme, host and port of the API.
    :param app_id: The application id.
    """
    with _projects_lock:
        return _projects.setdefault((base_url, app_id), ProjectLimit())


def forget_projects() -> None:
    """Forget what is known of all projects, for example between two tests."""
    with _projects_lock:
        _projects.clear()
