"""Lineage and events of assets that tasks emit when they have run."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.utils.session import create_session

from airflow_provider_voucherify.operators.orders import (
    CreateOrderOperator,
    ImportOrdersOperator,
    OrdersExportOperator,
    ReconcileOrdersOperator,
    SyncOrdersOperator,
)
from tests.airflow_home import migrated, run_dag
from tests.orders import order, write_jsonl

ALIAS, ASSET = AssetAlias("orders_alias"), Asset("orders_asset")
OUTLETS = [ASSET, ALIAS, *([Asset.ref(uri="orders_asset")] if AIRFLOW_V_3_0_PLUS else [])]

WINDOW = {"window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-02T00:00:00Z"}


@pytest.fixture
def registered_alias():
    """The alias, which ``dag.test()`` of Airflow 2 does not register as a scheduler would."""
    migrated()
    if not AIRFLOW_V_3_0_PLUS:
        from airflow.models.dataset import DatasetAliasModel

        with create_session() as session:
            session.add(DatasetAliasModel(name=ALIAS.name))


def alias_event(events) -> tuple[str, dict[str, Any]]:
    """The URI that an alias led to, and what it told."""
    if AIRFLOW_V_3_0_PLUS:
        (event,) = events.asset_alias_events
        return event.dest_asset_key.uri, event.extra
    (event,) = events.dataset_alias_events
    return event["dest_dataset_uri"], event["extra"]


def as_text(value: Any) -> Any:
    """What Airflow 2 keeps of a value that an alias tells."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def test_tasks_tell_what_they_read_and_wrote(emulator, registered_alias, tmp_path):
    written = [order(number) for number in range(3)]
    path = write_jsonl(tmp_path / "orders.jsonl", written).as_uri()
    report, output = (tmp_path / "report").as_uri(), (tmp_path / "orders.parquet").as_uri()
    told, lineages = {}, {}

    def remember(context, result):
        events, task = context["outlet_events"], context["ti"].task
        told[task.task_id] = events[ASSET].extra, *alias_event(events[ALIAS])
        found = task.get_openlineage_facets_on_complete(None)
        lineages[task.task_id] = [[dataset.name for dataset in side] for side in (found.inputs, found.outputs)]

    shared = {"outlets": OUTLETS, "post_execute": remember}
    with DAG("lineage", schedule=None) as dag:
        (
            ImportOrdersOperator(task_id="import", orders_path=path, report_path=report, **shared)
            >> SyncOrdersOperator(task_id="sync", orders_path=[path], **shared)
            >> CreateOrderOperator(task_id="create", order=order(0), **shared)
            >> ReconcileOrdersOperator(task_id="reconcile", orders=written, report_path=report + "/proof", **shared)
            >> OrdersExportOperator(task_id="export", output_path=output, **shared)
            >> OrdersExportOperator(task_id="window", output_path=f"{output}.old", **shared, **WINDOW)
        )
    assert run_dag(dag).state == "success"
    voucherify = f"{emulator.app_id}/orders"
    assert lineages == {
        "import": [[f"{tmp_path}/orders.jsonl"], [voucherify]],
        "sync": [[f"{tmp_path}/orders.jsonl"], [voucherify]],
        "create": [[], [voucherify]],
        "reconcile": [[voucherify], [f"{tmp_path}/report/proof"]],
        "export": [[voucherify], [f"{tmp_path}/orders.parquet"]],
        "window": [[voucherify], [f"{tmp_path}/orders.parquet.old"]],
    }
    loaded = {"orders": 3, "loaded": 3, "rejected": 0, "unknown": 0}
    for name in ("import", "sync"):
        assert told[name][0].items() >= loaded.items()
    assert told["create"][0] == {"orders": 1}
    assert told["reconcile"][0].items() >= {"matched": 3, "missing": 0, "report_path": report + "/proof"}.items()
    assert (told["export"][0]["rows"], told["export"][0]["path"]) == (3, output)
    for extra, _, told_by_alias in told.values():
        assert told_by_alias == (extra if AIRFLOW_V_3_0_PLUS else {name: as_text(extra[name]) for name in extra})
    assert [told[name][1] for name in ("sync", "export")] == [f"voucherify://{emulator.url[7:]}/{voucherify}", output]


def test_the_tables_of_a_query_are_inputs(emulator, postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"postgres://{postgres}")
    with closing(psycopg2.connect(f"postgresql://{postgres}")) as shop, shop, shop.cursor() as cursor:
        cursor.execute("CREATE TABLE orders_of_shop AS SELECT 'order-1' AS source_id, 1 AS amount")
    found = []
    with DAG("lineage_sql", schedule=None) as dag:
        ImportOrdersOperator(
            task_id="import",
            sql="SELECT source_id, amount FROM orders_of_shop WHERE source_id <> %(no)s",
            sql_parameters={"no": "x"},
            sql_conn_id="shop",
            report_path=tmp_path.as_uri(),
            post_execute=lambda context, result: found.append(
                context["ti"].task.get_openlineage_facets_on_complete(None)
            ),
        )
    assert run_dag(dag).state == "success"
    (lineage,) = found
    assert [dataset.name.rpartition(".")[2] for dataset in lineage.inputs] == ["orders_of_shop"]
    assert lineage.inputs[0].namespace.startswith("postgres://")
    assert lineage.job_facets["sql"].query.startswith("SELECT")
