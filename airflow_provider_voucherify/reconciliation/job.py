"""A reconciliation, from the export to the report."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import msgspec

from airflow_provider_voucherify.api.endpoints import Endpoints
from airflow_provider_voucherify.api.polling import Pause
from airflow_provider_voucherify.core.job import Job, JobOptions
from airflow_provider_voucherify.core.state_store import StateStore, state_file
from airflow_provider_voucherify.core.storage import StoragePath, check_writable
from airflow_provider_voucherify.exceptions import ConfigurationError, NotFoundError, QuotaError
from airflow_provider_voucherify.order_export import ExportConfig, ExportJob
from airflow_provider_voucherify.order_export.checkpoint import ExportStateStore
from airflow_provider_voucherify.order_source.checked_records import CheckedRecord, checked
from airflow_provider_voucherify.order_source.mapping.ids import source_id_of
from airflow_provider_voucherify.order_source.source import Record, Source
from airflow_provider_voucherify.reconciliation import report_files
from airflow_provider_voucherify.reconciliation.checkpoint import (
    STATE_FILE,
    ReconcileState,
    open_state,
)
from airflow_provider_voucherify.reconciliation.comparison import Comparison, Difference, DifferentOrder
from airflow_provider_voucherify.reconciliation.config import ReconcileConfig
from airflow_provider_voucherify.reconciliation.items import compare_items
from airflow_provider_voucherify.reconciliation.report_files import DifferentLine, LineFiles
from airflow_provider_voucherify.reconciliation.result import ReconcileResult
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.html_report import reconciliation_report
from airflow_provider_voucherify.reporting.reject_files import Outcome, OutcomeCode, RejectLine, payload_of

NO_SOURCE_ID = "has no source_id, so that it cannot be found at Voucherify"
FIRST_POLL = 8.0  # seconds: an export of a million orders takes some two polls then
NO_NUMBER = "a value of it is no 64-bit number"

log = logging.getLogger(__name__)


class ReconcileJob(Job[ReconcileState, ReconcileResult]):
    """
    Compares the orders of a source with those that Voucherify has: one export, joined on ``source_id``.

    Call :meth:`run`, or drive the job yourself and wait in your own way::

        job = ReconcileJob(client, open_source(paths="orders.jsonl"), report_path=Path("report"))
        while pause := job.advance():
            time.sleep(pause.seconds)
        print(job.summary.missing)

    The last step raises an :class:`~airflow_provider_voucherify.exceptions.OrdersDifferError` if more orders are
    missing, different or unchecked than the options tolerate.

    :param client: The API.
    :param source: The orders.
    :param config: The options.
    :param report_path: A folder for ``missing/``, ``different/``, ``by_design/`` (amounts alone), ``extra/``,
        ``unchecked/``, ``summary.json`` and ``report.html``.
    :param state_store: Where the state is saved. By default ``reconciliation.json`` under ``report_path``.
    :param run: The name of this run. Another try of it resumes; another run needs a fresh export.
    :param labels: What else identifies it in its report, such as its DAG and task.
    """

    _unfinished = "The reconciliation is not finished."

    def __init__(
        self,
        client: Endpoints,
        source: Source,
        config: ReconcileConfig = ReconcileConfig(),  # noqa: B008  # frozen
        *,
        report_path: StoragePath | None = None,
        state_store: StateStore | None = None,
        labels: Mapping[str, str] | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        if state_store is None:
            state_store = state_file(report_path, STATE_FILE)
        super().__init__(client, config, state_store, **options)
        self._source = source
        self._config = config
        self._report_path = report_path
        self._labels = labels
        self._export: ExportJob | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def _open(self) -> ReconcileState:
        if importlib.util.find_spec("duckdb") is None:
            raise ConfigurationError(
                "A reconciliation needs DuckDB: install airflow-provider-voucherify[reconcile] where the task runs."
            )
        request = self._config.request
        if self._report_path is not None:
            check_writable(self._report_path, "report_path")
        state = open_state(
            self._state_store,
            self._source.fingerprint(),
            self._client.transport.settings.project,
            self._config,
            run=self._run,
            restart=self._restart,
        )
        self._count_calls_from(state.api_calls)
        if state.result is None:
            folder = self._folder = tempfile.TemporaryDirectory(dir=self._config.spill_path)
            self._export = ExportJob(
                self._client,
                request,
                Path(folder.name) / "found.parquet",
                ExportConfig(header_mapping=self._config.header_mapping, poll_interval=self._config.poll_interval),
                state_store=ExportStateStore(state, self._state_store),
                first_poll=FIRST_POLL,
                failures=self._poller.failures,
                clock=self._clock,
            )
        return state

    def _advance(self) -> Pause | None:
        state = self.state
        try:
            if state.result is None and (pause := self._compare()):
                return pause
            if pause := self._read_sample():
                return pause
        except QuotaError as error:
            return self._poller.pause_for_quota(error, self._clock())
        finally:
            state.api_calls = self._calls_made
            self._state_store.save(state.to_json())
        self._finish()
        return None

    @property
    def failures(self) -> int:
        """How many polls failed in a row up to now."""
        return self._poller.failures if self._export is None else self._export.failures

    def _compare(self) -> Pause | None:
        """Export, read the source, and join the two."""
        assert self._export is not None  # noqa: S101  # without a result there is an export to make
        assert self._folder is not None  # noqa: S101
        if pause := self._export.advance():
            return pause
        from airflow_provider_voucherify.reconciliation.given import GivenWriter  # loads pyarrow

        state, config, folder = self.state, self._config, Path(self._folder.name)
        if self._report_path is not None:
            report_files.clear(self._report_path)
        result = ReconcileResult(
            export_ids=state.export_ids,
            report_path=None if self._report_path is None else str(self._report_path),
        )
        writer = GivenWriter(self._source, config.metadata_keys)
        with LineFiles(self._report_path) as files:
            for record in writer.write(folder / "given.parquet"):
                result.unchecked += 1
                result.add_reason(f"{record.position}: {NO_SOURCE_ID}")
                files.write("unchecked", self._line(record, None, OutcomeCode.INVALID, NO_SOURCE_ID))
            with Comparison(
                folder / "given.parquet",
                folder / "found.parquet",
                config.fields,
                writer.given.metadata_keys,
                spill_folder=folder,
                keep_last=config.on_duplicate == "last",
            ) as comparison:
                result.orders = writer.given.orders
                result.repeated = comparison.repeated
                result.extra = comparison.extra
                result.by_design = comparison.by_design()
                result.not_compared = comparison.not_compared()
                result.money = comparison.money()
                self._write_findings(comparison.findings(), result, files)
                if config.on_extra == "report":
                    for order in comparison.extra_orders():
                        files.write("extra", order | {"run_id": self._run})
                left = max(0, config.max_calls - self._calls_made)
                sample = comparison.sample(min(config.items_sample, left), seed=result.orders)
        result.matched = result.orders - result.missing - result.different - result.unchecked - result.repeated
        state.result, state.sample = result, sample
        log.info(
            "Compared %s orders: %s missing, %s different. Now reading the line items of %s of them.",
            *(f"{count:,}" for count in (result.orders, result.missing, result.different, len(sample))),
        )
        self._folder.cleanup()
        self._export = None
        return None

    def _write_findings(self, findings: Iterator[DifferentOrder], result: ReconcileResult, files: LineFiles) -> None:
        """Read the source again, up to the last order that is missing or different, for positions and payloads."""
        finding = next(findings, None)
        if finding is None:
            return
        for order in checked(self._source.scan()):
            if order.record.number < finding.number:
                continue
            self._write_finding(finding, order, result, files)
            if (finding := next(findings, None)) is None:
                return

    def _write_finding(
        self, finding: DifferentOrder, order: CheckedRecord, result: ReconcileResult, files: LineFiles
    ) -> None:
        record, source_id = order.record, source_id_of(order.record.body)
        if finding.is_by_design:
            if any(difference.field == "amount" for difference in finding.differences):
                files.write("by_design", self._different_line(record, source_id, finding.id, finding.differences))
            return
        line: RejectLine
        if finding.differences:
            kind, line = "different", self._different_line(record, source_id, finding.id, finding.differences)
            result.different += 1
        elif finding.id is None:
            kind, line = "missing", self._line(record, source_id, OutcomeCode.NOT_FOUND, "is not at Voucherify")
            result.missing += 1
        else:
            reason = f"is at Voucherify, and cannot be compared: {order.error or NO_NUMBER}"
            kind, line = "unchecked", self._line(record, source_id, OutcomeCode.INVALID, reason)
            result.unchecked += 1
        result.add_reason(str(Outcome(line.position, source_id, line.reason, b"")))
        files.write(kind, line)

    def _line(self, record: Record, source_id: str | None, code: OutcomeCode, reason: str) -> RejectLine:
        return RejectLine(
            position=record.position,
            source_id=source_id,
            code=code,
            reason=reason,
            retryable=code is OutcomeCode.NOT_FOUND,
            run_id=self._run,
            payload=payload_of(record.body),
        )

    def _different_line(
        self, record: Record, source_id: str | None, order_id: str | None, differences: list[Difference]
    ) -> DifferentLine:
        reason = "; ".join(
            f"{difference.field} given {difference.given}, at Voucherify "
            f"{'nothing' if difference.there is None else difference.there}"
            for difference in differences
        )
        return DifferentLine(
            position=record.position,
            source_id=source_id,
            code=OutcomeCode.DIFFERENT,
            reason=reason,
            retryable=True,
            run_id=self._run,
            payload=payload_of(record.body),
            id=order_id,
            differences=differences,
        )

    def _read_sample(self) -> Pause | None:
        """Read the orders of the sample one by one, and compare their items."""
        state, result = self.state, self.state.result
        assert result is not None  # noqa: S101  # the comparison made it
        if not state.sample:
            return None
        wanted = dict(state.sample)
        for order in checked(self._source.scan()):
            if (order_id := wanted.pop(order.record.number, None)) is None:
                continue
            there = self._poller.poll(partial(self._get_order, order_id))
            if there is None:
                return self._poller.pause()
            self._compare_items(order, order_id, there, result)
            result.items_sampled += 1
            state.sample = [entry for entry in state.sample if entry[0] != order.record.number]
            self._state_store.save(state.to_json())
            if not wanted:
                break
        return None

    def _get_order(self, order_id: str) -> dict[str, Any]:
        try:
            return self._client.get_order(order_id)
        except NotFoundError:  # removed since the export
            return {}

    def _compare_items(
        self, order: CheckedRecord, order_id: str, there: dict[str, Any], result: ReconcileResult
    ) -> None:
        given: dict[str, Any] = msgspec.json.decode(order.body)
        differences = compare_items(given, there) if there else [Difference("order", order_id, None, False)]
        if all(difference.by_design for difference in differences):
            return
        line = self._different_line(order.record, given.get("source_id"), order_id, differences)
        report_files.add_item_line(self._report_path, line)
        result.different += 1
        result.matched -= 1
        result.add_reason(str(Outcome(line.position, line.source_id, line.reason, b"")))

    def _finish(self) -> None:
        result = self.state.result
        assert result is not None  # noqa: S101  # the comparison made it
        result.api_calls = self._calls_made
        if self._report_path is not None:
            source, settings = self._source, self._client.transport.settings
            about = About.of(settings, source.name, source.options, self._config, run=self._run, labels=self._labels)
            kinds = [kind for kind in report_files.KINDS if any((self._report_path / kind).glob("part-*.jsonl"))]
            page = reconciliation_report(result, about, kinds)
            report_files.write_summary(self._report_path, result.to_xcom(), page)
        if result.repeated:
            log.warning("%d orders repeat a source_id: one of each is compared (on_duplicate).", result.repeated)
        for field, count in result.by_design.items():
            log.info("%d orders have another %s by design.", count, field)
        for field, count in result.not_compared.items():
            log.info("%d orders have a %s that is given by a source_id and cannot be compared.", count, field)
        log.info("%s", result)
        self._summary = result
        # removed whatever it came to: after a repair, another try needs a fresh export
        self._state_store.clear()
        result.check(self._config)
