"""A probe: the guard, the experiments that are not finished yet, the end of its orders, and the facts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import sleep as sleep_seconds

from airflow_provider_voucherify import __version__
from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.endpoints import PAGE_SIZE
from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.settings import Settings
from airflow_provider_voucherify.exceptions import (
    ApiError,
    ExperimentError,
    InvalidRequestError,
    RequestRefusedError,
    ServerError,
    TransportError,
)
from airflow_provider_voucherify.probe.experiments import EXPERIMENTS, Experiment
from airflow_provider_voucherify.probe.guard import check_project, marker_of
from airflow_provider_voucherify.probe.lab import MAX_CALLS, MAX_ORDERS, Bounds, Lab
from airflow_provider_voucherify.probe.questions import QUESTIONS, refuted_by
from airflow_provider_voucherify.probe.rates import RateRecorder
from airflow_provider_voucherify.probe.session import Session, load_session, save_session

CALLS_OF_GUARD = 2
CALLS_TO_CANCEL = 1

log = logging.getLogger(__name__)


def probe_project(
    settings: Settings,
    *,
    bounds: Bounds | None = None,
    session_file: Path | None = None,
    confirmed_id: str | None = None,
    not_a_sandbox: bool = False,
    sleep: Callable[[float], None] = sleep_seconds,
) -> Facts:
    """
    Ask a sandbox project all questions, with at most 60 calls and 60 orders.

    Orders cannot be deleted at Voucherify (documented). Each is marked in its metadata, and cancelled.

    :param settings: Host and keys.
    :param bounds: How far to go.
    :param session_file: Where to save what is found, and to continue from if there is such a file.
    :param confirmed_id: The application id of the project, to probe one that is not certainly a sandbox; only together
        with ``not_a_sandbox``.
    :param not_a_sandbox: Whether the caller knows that it is not a sandbox.
    :param sleep: Sleeps a number of seconds.
    :raises ProjectRefusedError: if the project is not certainly a sandbox.
    :raises QuotaError: if the quota does not allow the next call soon: resume after its ``retry_at``.
    :raises VoucherifyError: if a call fails otherwise; resume it then, too.
    :return: The facts.
    """
    session = load_session(session_file, settings.project)
    session.attempt += 1
    rates = RateRecorder(settings.quota_reserve)
    with VoucherifyClient(settings, quota=rates, sleep=sleep) as client:
        lab = Lab(client, rates, session, bounds or Bounds(), sleep=sleep)
        lab.time_scale = check_project(client, rates, confirmed_id=confirmed_id, not_a_sandbox=not_a_sandbox)
        try:
            for experiment in EXPERIMENTS:
                if experiment.name not in session.finished:
                    _make(experiment, lab)
                    _save(lab, session_file)
            _cancel(lab)
        finally:
            _save(lab, session_file)
    return _facts(lab)


def planned_calls() -> int:
    """Return how many calls a probe makes as a rule."""
    return CALLS_OF_GUARD + sum(experiment.calls for experiment in EXPERIMENTS) + CALLS_TO_CANCEL


def planned_orders() -> int:
    """Return how many orders a probe creates as a rule."""
    return sum(experiment.orders for experiment in EXPERIMENTS)


def _make(experiment: Experiment, lab: Lab) -> None:
    session = lab.session
    try:
        if lab.calls_left < experiment.calls:
            raise ExperimentError(f"The probe has made {lab.calls} of at most {MAX_CALLS} calls.")
        if session.orders + experiment.orders > MAX_ORDERS:
            raise ExperimentError(f"The probe has made {session.orders} of at most {MAX_ORDERS} orders.")
        log.info("Experiment %r", experiment.name)
        experiment.run(lab)
    except ExperimentError as error:
        _leave_open(experiment, session, str(error))
    except (InvalidRequestError, RequestRefusedError) as error:
        _leave_open(experiment, session, f"refused: {error.response.reason} (HTTP {error.response.status})")
    except (TransportError, ServerError) as error:
        if experiment.name not in session.failed:
            session.failed.append(experiment.name)
            raise
        _leave_open(experiment, session, f"failed twice: {error}")
    session.finished.append(experiment.name)


def _leave_open(experiment: Experiment, session: Session, reason: str) -> None:
    log.warning("Experiment %r: %s", experiment.name, reason)
    for question in experiment.answers:
        if question not in session.answers:
            session.unanswered[question] = reason


def _cancel(lab: Lab) -> None:
    """Cancel those of our orders that are not, although they were created as cancelled."""
    page = lab.client.list_orders(limit=PAGE_SIZE, sort_order="-created_at")
    for order in page.orders:
        if marker_of(order) == lab.session.key and order.get("status") != "CANCELED" and lab.calls_left:
            with suppress(ApiError):
                lab.client.update_order(str(order["id"]), {"status": "CANCELED"})


def _save(lab: Lab, session_file: Path | None) -> None:
    lab.session.calls = lab.calls
    save_session(lab.session, session_file)


def _facts(lab: Lab) -> Facts:
    session = lab.session
    found = {
        question.name: session.answers[question.name] for question in QUESTIONS if question.name in session.answers
    }
    answers = {name: finding.answer for name, finding in found.items()}
    return Facts(
        answers=answers,
        evidence={name: finding.evidence for name, finding in found.items()},
        unanswered=dict(session.unanswered),
        assumed={question.name: question.assumed for question in QUESTIONS},
        refuted=[question.name for question in refuted_by(answers)],
        bounds={
            "download_token_seconds": list(lab.bounds.link_ages),
            "body_limit": list(lab.bounds.body_sizes),
            "import_limit": [lab.bounds.max_import],
        },
        measured={name: round(seconds, 3) for name, seconds in session.measured.items()},
        calls=lab.calls,
        orders=session.orders,
        asked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )
