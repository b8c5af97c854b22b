"""The command ``voucherify-probe``."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.api.settings import Settings, base_url_of
from airflow_provider_voucherify.core.storage import write_durably
from airflow_provider_voucherify.exceptions import ConfigurationError, QuotaError, VoucherifyError
from airflow_provider_voucherify.probe.guard import MARKER
from airflow_provider_voucherify.probe.lab import MAX_CALLS, MAX_ORDERS, Bounds
from airflow_provider_voucherify.probe.probe import planned_calls, planned_orders, probe_project
from airflow_provider_voucherify.probe.rates import SANDBOX_LIMIT
from airflow_provider_voucherify.probe.report import table

NAME = "voucherify-probe"
SUCCEEDED, FAILED, LATER = 0, 1, 75  # the last is EX_TEMPFAIL of sysexits.h: the same command may succeed later


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Probe a project, print the table of the facts, and write them.

    :param arguments: The command line without the program; that of this process by default.
    :return: The exit status: 0, 1 after an error, or 75 if the probe has to be resumed later.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    session_file = Path(options.resume or f"{NAME}-{secrets.token_hex(4)}.json")
    try:
        settings = _settings(options)
        bounds = Bounds(link_ages=_link_ages(options.link_seconds))
        print(_plan(settings, bounds, session_file))  # noqa: T201
        facts = probe_project(
            settings,
            bounds=bounds,
            session_file=session_file,
            confirmed_id=options.yes_this_project_id,
            not_a_sandbox=options.not_a_sandbox,
        )
    except (VoucherifyError, OSError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201
        if not session_file.exists():
            return FAILED
        print(f"{NAME}: What is found so far is saved: continue with --resume {session_file}", file=sys.stderr)  # noqa: T201
        return LATER if isinstance(error, QuotaError) else FAILED
    print(table(facts, max(shutil.get_terminal_size((120, 24)).columns, 80)))  # noqa: T201
    print(_summary(facts))  # noqa: T201
    if options.json:
        write_durably(Path(options.json), msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
    if not options.resume:
        session_file.unlink(missing_ok=True)
    return SUCCEEDED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Ask a sandbox project of Voucherify what its documents leave open. "
        f"At most {MAX_CALLS} calls are made and {MAX_ORDERS} orders created, which are marked and cancelled.",
    )
    parser.add_argument("--host", help="host of the API (VOUCHERIFY_HOST; api.voucherify.io by default)")
    parser.add_argument("--app-id", help="application id (VOUCHERIFY_APP_ID)")
    parser.add_argument("--app-token", help="secret key (VOUCHERIFY_APP_TOKEN, which other users cannot read)")
    parser.add_argument("--conn-id", help="Airflow connection to take host and keys from")
    parser.add_argument("--json", metavar="FILE", help="where to write the facts")
    parser.add_argument("--resume", metavar="FILE", help="where to save the session, and to continue from")
    parser.add_argument(
        "--link-seconds", type=float, default=10.0, help="age up to which a download link is tried (default: 10)"
    )
    parser.add_argument(
        "--yes-this-project-id", metavar="ID", help="application id of a project that does not look like a sandbox"
    )
    parser.add_argument(
        "--not-a-sandbox", action="store_true", help="with --yes-this-project-id: probe it although it may be none"
    )
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    if options.conn_id:
        from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

        return replace(VoucherifyHook(options.conn_id).get_conn().transport.settings, name=options.conn_id)
    given = {
        name: getattr(options, name) or os.environ.get(f"VOUCHERIFY_{name.upper()}", "")
        for name in ("host", "app_id", "app_token")
    }
    missing = [f"--{name.replace('_', '-')}" for name in ("app_id", "app_token") if not given[name]]
    if missing:
        raise ConfigurationError(f"Give {' and '.join(missing)}, or --conn-id.")
    base_url = base_url_of(given["host"], name=NAME)
    return Settings(app_id=given["app_id"], app_token=given["app_token"], base_url=base_url, name=NAME)


def _link_ages(longest: float) -> tuple[float, ...]:
    return (*(age for age in (2.0, 10.0, 60.0, 300.0, 900.0) if age < longest), longest)


def _plan(settings: Settings, bounds: Bounds, session_file: Path) -> str:
    calls, orders = planned_calls(), planned_orders()
    reserve = settings.quota_reserve if settings.quota_reserve >= 1 else settings.quota_reserve * SANDBOX_LIMIT
    allowed = max(SANDBOX_LIMIT - reserve, 1)
    minutes = (max(bounds.link_ages, default=0.0) + calls + 10) / 60
    return (
        f"{settings.host}, project {settings.app_id}: about {calls} calls, at most {MAX_CALLS}, and up to {orders} "
        f"orders. Orders cannot be deleted at Voucherify: these are created as CANCELED, and marked with {MARKER!r} in "
        f"their metadata.\nThe quota of a sandbox is {SANDBOX_LIMIT} calls an hour, of which {reserve:g} are left to "
        f"others: with {allowed:g} left this takes about {max(minutes, 1):.0f} minute(s), else up to an hour more. "
        f"It can be interrupted at any time and continued with --resume {session_file}."
    )


def _summary(facts: Facts) -> str:
    refuted = f" Refuted: {', '.join(facts.refuted)}." if facts.refuted else " No assumption is refuted."
    unanswered = f" Not answered: {', '.join(facts.unanswered)}." if facts.unanswered else ""
    return f"\n{len(facts.answers)} answers, {facts.calls} calls, {facts.orders} orders.{refuted}{unanswered}"


if __name__ == "__main__":
    sys.exit(main())
