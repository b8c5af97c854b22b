"""Find out what an import would send, cost and take, by reading and checking everything."""

from __future__ import annotations

import math

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.core.storage import StoragePath
from airflow_provider_voucherify.order_import.chunk import chunks
from airflow_provider_voucherify.order_import.config import ImportConfig
from airflow_provider_voucherify.order_load.dry_run import DryRun, DryRunResult
from airflow_provider_voucherify.order_source.source import Cursor, Source

CALLS_PER_CHUNK = 2  # one to send it, one for its result


def dry_run(
    client: Endpoints,
    source: Source,
    config: ImportConfig = ImportConfig(),  # noqa: B008  # frozen
    *,
    report_path: StoragePath | None = None,
    cycle_calls_left: int | None = None,
) -> DryRunResult:
    """
    Read and check everything, and send nothing.

    :param client: The API. One call is made: its response states the limit of the project.
    :param source: The orders.
    :param config: The options of the import.
    :param report_path: The folder of the import's report. The orders that would be rejected, and a summary, are written
        to ``dry_run/`` in it.
    :param cycle_calls_left: The calls left in the billing cycle, as the dashboard shows them; None if unknown.
    :raises DryRunFailedError: if the import needs more calls, or more orders would be rejected than tolerated.
    """
    run = DryRun(client, source, config, report_path)
    fitting = config.fitting(client.transport.settings.facts)
    limits = fitting.chunk_size, fitting.max_body_bytes
    result, records = run.result, source.read(Cursor())
    for number, chunk in enumerate(chunks(records, Cursor(), *limits, run.rules, run.findings), start=1):
        run.count(number, len(chunk.orders), chunk.rejected, chunk.superseded)
        result.with_customer += chunk.with_customer
        result.with_override += chunk.with_override
        if chunk.orders:
            result.chunks += 1
            result.bytes += len(chunk.body())
    polls = math.ceil(result.chunks / max(1, config.max_in_flight // 2))
    return run.finish(CALLS_PER_CHUNK * result.chunks + polls + 1, config.max_rejected, cycle_calls_left)
