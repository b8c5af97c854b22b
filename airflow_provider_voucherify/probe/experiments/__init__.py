"""The experiments, in the order in which they are made: later ones need the orders of earlier ones."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from airflow_provider_voucherify.probe.experiments.created import create_orders
from airflow_provider_voucherify.probe.experiments.exported import export_orders
from airflow_provider_voucherify.probe.experiments.imported import import_again, import_orders
from airflow_provider_voucherify.probe.experiments.links import try_link
from airflow_provider_voucherify.probe.experiments.oauth import fetch_tokens
from airflow_provider_voucherify.probe.experiments.periods import read_rate_headers
from airflow_provider_voucherify.probe.experiments.sizes import send_large_bodies, send_large_imports
from airflow_provider_voucherify.probe.lab import Lab


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """
    An experiment, which answers some questions.

    :param name: Its name in a session.
    :param run: Makes it.
    :param answers: The names of the questions.
    :param calls: The calls it makes as a rule.
    :param orders: The largest number of orders it creates.
    """

    name: str
    run: Callable[[Lab], None]
    answers: tuple[str, ...]
    calls: int
    orders: int = 0


EXPERIMENTS = (
    Experiment(
        name="create",
        run=create_orders,
        answers=("new_updated_at", "fields_without_value", "metadata_update", "unknown_id", "amount_mismatch"),
        calls=4,
        orders=3,
    ),
    Experiment(
        name="import",
        run=import_orders,
        answers=(
            "action_visible",
            "order_visible",
            "import_repeats",
            "import_created_at",
            "import_amount_mismatch",
            "import_customer_id",
            "import_unknown_field",
            "import_negative_amount",
        ),
        calls=9,
        orders=7,
    ),
    Experiment(
        name="import again",
        run=import_again,
        answers=("import_mode", "import_unchanged", "failed_style", "failed_source_id"),
        calls=4,
        orders=3,
    ),
    Experiment(
        name="export",
        run=export_orders,
        answers=(
            "export_visible",
            "export_echo",
            "export_files",
            "header_style",
            "metadata_style",
            "export_amount",
            "after_includes_bound",
            "before_includes_bound",
        ),
        calls=9,
    ),
    Experiment(name="oauth", run=fetch_tokens, answers=("oauth_token_seconds", "missing_scope"), calls=3),
    Experiment(
        name="large bodies", run=send_large_bodies, answers=("one_bad_order", "body_limit", "gzip_bodies"), calls=6,
        orders=1,
    ),
    Experiment(name="link", run=try_link, answers=("download_needs_keys", "download_token_seconds"), calls=4),
    Experiment(
        name="rates",
        run=read_rate_headers,
        answers=("rate_limit", "rate_period", "import_counts_as", "bulk_limit"),
        calls=4,
    ),
    Experiment(name="large imports", run=send_large_imports, answers=("import_limit",), calls=4),
)  # fmt: skip
