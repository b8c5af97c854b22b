"""Find out what a synchronisation would send, cost and take, by reading and checking everything."""

from __future__ import annotations

from itertools import islice

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.order_load.dry_run import DryRun, DryRunResult
from airflow_provider_voucherify.order_load.invalid_orders import invalid_outcome
from airflow_provider_voucherify.order_source.checked_records import CheckedRecord, checked
from airflow_provider_voucherify.order_source.schema.order import Traits
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.order_sync.config import SyncConfig
from airflow_provider_voucherify.reporting.reject_files import Outcome

RECORDS_A_FILE = 1000


def dry_run(
    client: Endpoints,
    source: Source,
    config: SyncConfig = SyncConfig(),  # noqa: B008  # frozen
    *,
    report_path: StoragePath | None = None,
    cycle_calls_left: int | None = None,
) -> DryRunResult:
    """
    Read and check everything, and send nothing.

    :param client: The API. One call is made: its response states the limit of the project.
    :param source: The orders.
    :param config: The options of the synchronisation.
    :param report_path: The folder of its report. The orders that would be rejected, and a summary, are written to
        ``dry_run/`` in it.
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
    :raises DryRunFailedError: if it needs more calls, or more orders would be rejected than tolerated.
    """
    run = DryRun(client, source, config, report_path)
    result, records, number = run.result, checked(source.read(), run.rules, run.findings), 0
    while some := list(islice(records, RECORDS_A_FILE)):
        number += 1
        sent = [record for record in some if record.error is None]
        refused = [outcome for record in some if (outcome := _refused(record)) is not None]
        rejected = [outcome for outcome in refused if not outcome.superseded]
        run.count(number, len(sent), rejected, [outcome for outcome in refused if outcome.superseded])
        result.with_customer += sum(bool(record.traits & Traits.CUSTOMER) for record in sent)
        result.with_override += sum(bool(record.traits & Traits.OVERRIDE) for record in sent)
        result.chunks += len(sent)
        result.bytes += sum(len(record.body) for record in sent)
    return run.finish(result.chunks + 1, config.max_rejected, cycle_calls_left)


def _refused(record: CheckedRecord) -> Outcome | None:
    return None if record.error is None else invalid_outcome(record.record, record.error)
