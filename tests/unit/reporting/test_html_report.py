from __future__ import annotations

from html import unescape

from airflow_provider_voucherify.api import Settings
from airflow_provider_voucherify.order_import import ImportConfig
from airflow_provider_voucherify.order_source import SourceOptions
from airflow_provider_voucherify.reporting.about import About
from airflow_provider_voucherify.reporting.charts import line_chart, rates
from airflow_provider_voucherify.reporting.html_report import AmountSums, html_report
from airflow_provider_voucherify.reporting.observations import MAX_POINTS, MAX_REASONS, OTHER_REASONS, Observations
from airflow_provider_voucherify.reporting.reject_files import Outcome
from airflow_provider_voucherify.reporting.summary import ImportSummary


def summary(**counts):
    return ImportSummary(
        **({"orders": 10, "loaded": 7, "rejected": 2, "unknown": 1} | counts),
        chunks=1,
        async_action_ids=[],
        api_calls=3,
    )


def test_the_page_shows_counts_and_reasons_and_escapes_what_orders_say():
    observations = Observations()
    observations.add_failures(
        [Outcome("orders[1]", "<script>", reason, b"{}") for reason in ("<b>bad</b>", "<b>bad</b>", "lost")]
    )
    observations.mark(1_700_000_000, 10)
    observations.mark(1_700_003_600, 10)
    page = html_report(summary(), observations)
    assert "70.00%" in page
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    assert "<script>" not in page
    assert "1:00:00 (hours:minutes:seconds)" in page


def test_one_order_of_many_is_never_nothing_and_the_rest_is_never_all():
    page = html_report(summary(orders=60_000, loaded=59_999, rejected=1, unknown=0), Observations())
    assert [share for share in ("99.99%", "0.01%", "0%", "100%") if f'">{share}</td>' in page] == [
        "99.99%",
        "0.01%",
        "0%",
    ]
    assert '">100%</td>' in html_report(summary(loaded=10, rejected=0, unknown=0), Observations())


def test_the_page_has_a_table_of_findings():
    finding = {"finding": "'<i>' left out", "count": 1200, "example": "orders.csv:2", "option": "unknown_fields"}
    page = html_report(summary(findings=[finding]), Observations())
    assert "1,200" in page
    assert "&lt;i&gt;&#39; left out</td><td>orders.csv:2</td>" in page
    assert "<td>unknown_fields</td>" in page
    assert "Nothing was left out" in html_report(summary(), Observations())


def test_an_import_of_nothing_is_a_page_too():
    page = html_report(summary(orders=0, loaded=0, rejected=0, unknown=0), Observations())
    assert "It was too short to draw its progress" in page


def test_reasons_and_points_stay_few():
    observations = Observations()
    for number in range(10_000):
        observations.add_failures([Outcome("orders[0]", None, f"reason {number}", b"{}")])
        observations.mark(1_700_000_000 + number, number + 1)
    assert len(observations.reasons) == MAX_REASONS + 1
    assert observations.reasons[OTHER_REASONS] == 10_000 - MAX_REASONS
    assert MAX_POINTS / 2 <= len(observations.timeline) <= MAX_POINTS + 1
    assert observations.timeline[0] == (1_700_000_000, 1)
    assert observations.timeline[-1] == (1_700_009_999, 10_000)


def test_the_page_says_what_ran_where_and_what_to_do_next():
    about = About.of(
        Settings(app_id="id", app_token="very-secret", name="shop"),
        "orders.csv",
        SourceOptions(amount_unit="major", file_format="csv"),
        ImportConfig(max_rejected=5, chunk_size=100),
        run="manual",
        labels={"DAG": "migration", "Task": "load"},
    )
    assert about.options == {
        "amount_unit": "'major'", "file_format": "'csv'", "max_rejected": "5", "chunk_size": "100",
    }  # fmt: skip
    given = summary()
    given.report_path = "/tmp/report"
    page = html_report(given, Observations(), about, money=AmountSums(1_000_000, 990_000), quota="Plenty.")
    for text in ("migration", "load", "manual", "shop", "https://api.voucherify.io", "orders.csv", "10,000", "Plenty."):
        assert f">{text}" in page or text in page
    assert "very-secret" not in page
    task = unescape(page[page.index("<pre>") + 5 : page.index("</pre>")])
    assert eval(task, {"ImportOrdersOperator": dict}) == {
        "task_id": "repair_orders",
        "orders_path": "/tmp/report/rejected",
        "report_path": "/tmp/report/repair",
        "amount_unit": "major",
        "chunk_size": 100,
    }
    assert "ReconcileOrdersOperator(" in page
    assert 'href="rejected/"' in page


def test_charts_have_axes_with_round_values_and_times():
    timeline = [(1_700_000_000.0 + second, second * 70.0) for second in range(0, 3601, 60)]
    chart = line_chart("Orders a second", {"orders": rates(timeline)})
    assert [tick.text for tick in chart.y_ticks] == ["0", "20", "40", "60", "80"]
    assert [tick.text for tick in chart.x_ticks] == ["22:13", "22:28", "22:43", "22:58", "23:13"]
    assert {round(value) for _, value in rates(timeline)} == {70}
    assert line_chart("Nothing", {"orders": rates(timeline[:1])}) is None
