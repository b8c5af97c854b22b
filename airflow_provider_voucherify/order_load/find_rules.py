"""Find what to do with orders beyond what the API demands: side effects, and repeated ``source_id``s."""

from __future__ import annotations

import logging

from airflow_provider_voucherify.order_load.checkpoint import LoadCheckpoint
from airflow_provider_voucherify.order_load.config import LoadConfig
from airflow_provider_voucherify.order_source.duplicates import (
    Duplicates,
    find_duplicates,
)
from airflow_provider_voucherify.order_source.rules import Rules
from airflow_provider_voucherify.order_source.source import Source

MAX_SAVED_DUPLICATES = 500  # of 24 bytes each: Airflow's task state store takes 64 KiB

log = logging.getLogger(__name__)


def find_rules(source: Source, config: LoadConfig, checkpoint: LoadCheckpoint | None = None) -> Rules:
    """
    Check a source for orders that repeat a ``source_id``, and make the rules by which its orders are sent.

    :param source: The orders.
    :param config: The options of the job.
    :param checkpoint: Has what an earlier try found, or gets what is found now if it is small enough.
    :raises ConfigurationError: if the source cannot be read.
    """
    found = None if checkpoint is None else checkpoint.duplicates
    if found is None and (config.on_duplicate is not None or source.groups_rows):
        found = find_duplicates(source, config.on_duplicate)
        if config.on_duplicate is not None:
            repeated = f"{found.repeated:,}"
            log.info("Duplicate check: %s of %s orders repeat a source_id.", repeated, f"{found.records:,}")
        if found.parts:
            log.warning("%s parts of orders whose rows are not together are rejected (group_by).", f"{found.parts:,}")
        if checkpoint is not None and len(found) <= MAX_SAVED_DUPLICATES:
            checkpoint.duplicates = found
    duplicates = Duplicates(source, found) if found else None
    return Rules(customers=config.customers, product_overrides=config.product_overrides, duplicates=duplicates)
