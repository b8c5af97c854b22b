"""A table that changes, brought in every quarter of an hour by one task with a watermark."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg2
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_voucherify.exceptions import StateError
from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook
from airflow_provider_voucherify.operators.orders import SyncOrdersOperator
from airflow_provider_voucherify.task.watermark import Watermark
from tests.airflow_home import run_dag

CREATE = "POST /v1/orders"
START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
RUNS, FAILED, SKIPPED = 10, 3, 6


class Shop:
    """A table of orders in Postgres."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.change("DROP TABLE IF EXISTS changed")
        self.change("CREATE TABLE changed (id int PRIMARY KEY, state text, total int, updated_at timestamptz)")

    def change(self, sql: str, *parameters: object) -> None:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            connection.commit()

    def put(self, number: int, total: int, when: datetime) -> None:
        self.change(
            "INSERT INTO changed VALUES (%s, 'PAID', %s, %s) ON CONFLICT (id) DO UPDATE "
            "SET total = excluded.total, updated_at = excluded.updated_at",
            number, total, when,
        )  # fmt: skip


@pytest.fixture
def shop(postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"postgresql://{postgres}")
    return Shop(f"postgresql://{postgres}")


def run_sync(folder, moment, dag_id="sync_changed"):
    with DAG(dag_id, schedule=None) as dag:
        SyncOrdersOperator(
            task_id="sync",
            sql="""
                SELECT id AS source_id, state AS status, total AS amount, updated_at FROM changed
                WHERE updated_at >= '{{ watermark }}' AND updated_at <= '{{ params.moment }}' ORDER BY updated_at
            """,
            sql_conn_id="shop",
            watermark_column="updated_at",
            report_path=folder.as_uri(),
            params={"moment": moment.isoformat()},
        )
    return run_dag(dag)


def test_every_change_comes_in_and_what_the_lookback_reads_again_is_not_sent_again(emulator, shop, tmp_path):
    sent = []
    for run in range(RUNS):
        moment = START + run * QUARTER
        for number in range(4):  # one of them within the lookback of the next run
            shop.put(10 * run + number, 100 + run, moment - timedelta(minutes=4 * number + 1))
        if run:
            shop.put(10 * (run - 1), 1000 + run, moment - timedelta(minutes=8))  # and one changes once more
        if run == SKIPPED:
            continue
        if run == FAILED:
            emulator.add_fault("plan_exceeded", route=CREATE, after=2)
        before = emulator.calls()["calls"].get(CREATE, 0)
        done = run_sync(tmp_path, moment)
        emulator.clear_faults()
        assert done.state == ("failed" if run == FAILED else "success")
        sent.append(emulator.calls()["calls"][CREATE] - before)
        if run != FAILED:
            assert done.xcoms["sync"]["watermark"] == (moment - timedelta(minutes=1)).isoformat()
    with closing(psycopg2.connect(shop.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, total FROM changed")
        rows = cursor.fetchall()
    assert emulator.count_orders() == len(rows) == 4 * RUNS
    assert all(VoucherifyHook().get_order(str(number))["amount"] == total for number, total in rows)
    # each change once; what the failed run had sent is sent again, and after the skipped one there are two quarters
    assert sent[:3] == [4, 5, 5]
    assert sent[4] == 2 * 5 - 1  # one of them changed in both quarters
    assert sent[5:] == [5, 2 * 5 - 1, 5, 5]


def test_a_change_that_a_failed_run_has_sent_and_that_is_taken_back_is_sent_once_more(emulator, shop, tmp_path):
    shop.put(1, 100, START)
    shop.put(2, 200, START)
    assert run_sync(tmp_path, START, "sync_taken_back").state == "success"
    shop.put(1, 111, START)
    shop.put(3, -1, START + timedelta(seconds=1))  # refused, so that the run fails
    assert run_sync(tmp_path, START + QUARTER, "sync_taken_back").state == "failed"
    shop.put(1, 100, START)
    shop.put(3, 300, START + timedelta(seconds=1))
    assert run_sync(tmp_path, START + 2 * QUARTER, "sync_taken_back").state == "success"
    assert [VoucherifyHook().get_order(str(number))["amount"] for number in (1, 2, 3)] == [100, 200, 300]
    assert emulator.calls()["calls"][CREATE] == 2 + 1 + 2  # the second order did not change


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"orders": [], "watermark_column": "updated_at"}, "watermark_column is for orders that are given as sql"),
        ({"orders": [], "watermark_lookback": -1}, "watermark_lookback must be at least 0, got -1"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(parameters, message):
    with pytest.raises(ValueError, match=message):
        SyncOrdersOperator(task_id="sync", **parameters)


def loaded(text, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_VOUCHERIFY_WATERMARK_SHOP_SYNC", text)
    return Watermark.load({"ti": SimpleNamespace(dag_id="shop", task_id="sync")})


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00+00:00", '{"value": "2026-01-01T00:00:00+00:00"}'])
def test_a_time_set_by_hand_is_a_watermark(text, monkeypatch):
    assert loaded(text, monkeypatch).start(timedelta(minutes=5)) == "2025-12-31T23:55:00+00:00"


@pytest.mark.parametrize("text", ["yesterday", '{"value": 1}', '{"value": "yesterday"}', ""])
def test_something_else_is_none(text, monkeypatch):
    with pytest.raises(
        StateError, match=r"voucherify_watermark_shop_sync is not a watermark .* Set it to a time such as 2026"
    ):
        loaded(text, monkeypatch)
