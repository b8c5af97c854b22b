from __future__ import annotations

from airflow_provider_voucherify.order_import.checkpoint import KEPT_KINDS, KEPT_POINTS, OTHER_REASONS, ImportState
from airflow_provider_voucherify.reporting.html_report import html_report
from airflow_provider_voucherify.reporting.summary import ImportSummary


def summary(**counts):
    return ImportSummary(
        **({"orders": 10, "loaded": 7, "rejected": 2, "unknown": 1} | counts),
        chunks=1,
        async_action_ids=[],
        api_calls=3,
    )


def test_the_page_shows_counts_and_reasons_and_escapes_what_orders_say():
    state = ImportState(fingerprint="", loaded=7, rejected=2, unknown=1, reasons=["orders[1]: <script>"])
    for reason in ("<b>bad</b>", "<b>bad</b>", "lost"):
        state.count_reason(reason)
    state.mark(1_700_000_000)
    state.mark(1_700_003_600)
    page = html_report(summary(), state.observations())
    assert "70.00%" in page
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    assert "<script>" not in page
    assert "1:00:00 (hours:minutes:seconds)" in page


def test_an_import_of_nothing_is_a_page_too():
    page = html_report(summary(orders=0, loaded=0, rejected=0, unknown=0), ImportState(fingerprint="").observations())
    assert "It was over before there was anything to draw" in page


def test_reasons_and_points_stay_few():
    state = ImportState(fingerprint="")
    for number in range(10_000):
        state.count_reason(f"reason {number}")
        state.loaded += 1
        state.mark(1_700_000_000 + number)
    assert len(state.reason_counts) == KEPT_KINDS + 1
    assert state.reason_counts[OTHER_REASONS] == 10_000 - KEPT_KINDS
    assert KEPT_POINTS / 2 <= len(state.timeline) <= KEPT_POINTS + 1
    assert state.timeline[0] == (1_700_000_000, 1)
    assert state.timeline[-1] == (1_700_009_999, 10_000)
