from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, task, task_group
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.operators.exports import VoucherifyExportOperator
from airflow_provider_voucherify.operators.orders import (
    CreateOrderOperator,
    ImportOrdersOperator,
    OrderDetailsExportOperator,
    OrdersExportOperator,
    ReconcileOrdersOperator,
    SyncOrdersOperator,
    UpdateOrderOperator,
)
from airflow_provider_voucherify.sensors.async_action import AsyncActionSensor

if AIRFLOW_V_3_0_PLUS:
    from airflow.sdk.definitions.template import literal
else:
    from airflow.utils.template import literal

REQUIRED = {
    ImportOrdersOperator: {"orders": []},
    SyncOrdersOperator: {"orders": []},
    OrdersExportOperator: {"output_path": "orders.parquet"},
    VoucherifyExportOperator: {"exported_object": "voucher", "output_path": "vouchers.parquet"},
    OrderDetailsExportOperator: {
        "output_path": "details",
        "window_start": "2026-01-01T00:00:00Z",
        "window_end": "2026-01-02T00:00:00Z",
    },
    ReconcileOrdersOperator: {"orders": []},
    CreateOrderOperator: {"order": {}},
    UpdateOrderOperator: {"order_id": "order-1", "changes": {}},
    AsyncActionSensor: {"async_action_id": "aa_1"},
}
# what another parameter has to go with, and values where the default is None or fits to nothing else
QUERY = {"orders": None, "sql": "SELECT 1", "sql_conn_id": "db", "report_path": "report"}
ITEMS = QUERY | {"items_sql": "SELECT 2", "items_key": "order_id"}
TOGETHER = {
    "orders_path": {"orders": None},
    "partition_by": {"fields": ["created_at"]},
    **dict.fromkeys(("sql", "sql_conn_id", "sql_parameters", "spool_path", "watermark_column"), QUERY),
    **dict.fromkeys(("items_sql", "items_key"), ITEMS),
}
VALUES = {
    "orders_path": "orders.jsonl",
    "file_format": "csv",
    "column_mapping": {"no": "source_id"},
    "order_date_metadata_key": "ordered_at",
    "report_path": "report",
    "sql_parameters": {"shop": "de"},
    "spool_path": "spool",
    "cycle_calls_left": 5,
    "fields": ["id"],
    "compare": ["status"],
    "filters": {"junction": "and"},
    "order": "-created_at",
    "max_rows_per_file": 10,
    "partition_by": "created_at",
    "timeout": timedelta(hours=1),
    "voucherify_conn_id": "shop",
}


ATTRIBUTES = {"dry_run": "dry_run_only"}  # of a parameter, where it is another


def own_parameters(cls) -> dict[str, inspect.Parameter]:
    """All parameters that this package gives to a class."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("airflow_provider_voucherify")]
    found = {name: given for base in ours for name, given in inspect.signature(base.__init__).parameters.items()}
    return {name: given for name, given in found.items() if name not in ("self", "args", "kwargs")}


MAPPED = [(cls, name) for cls in REQUIRED for name in own_parameters(cls) if not name.startswith("window_")]


@pytest.mark.parametrize(("cls", "name"), MAPPED, ids=lambda value: getattr(value, "__name__", value))
def test_every_parameter_can_be_mapped_over(cls, name):
    required = REQUIRED[cls] | TOGETHER.get(name, {})
    default = own_parameters(cls)[name].default
    value = required.get(name, VALUES.get(name, default))
    partial = {key: given for key, given in required.items() if key != name}
    with DAG("mapped", schedule=None, start_date=None):
        mapped = cls.partial(task_id="task", **partial).expand(**{name: [value]})
    plain = cls(task_id="plain", **(required | {name: value}))
    attribute = ATTRIBUTES.get(name, name)
    assert getattr(mapped.unmap({name: value}), attribute) == getattr(plain, attribute)


@pytest.mark.parametrize(
    ("cls", "parameters", "message"),
    [
        (ImportOrdersOperator, {"chunk_size": "100"}, "chunk_size must be a whole number, got '100'"),
        (ImportOrdersOperator, {"chunk_size": 1.5}, "chunk_size must be a whole number, got 1.5"),
        (
            ImportOrdersOperator,
            {"max_rejected": "{{ params.share }}"},
            "max_rejected must be a number, got '{{ params.share }}'. It is not a templated parameter",
        ),
        (ImportOrdersOperator, {"durable": "False"}, "durable must be True or False, got 'False'"),
        (ImportOrdersOperator, {"timeout": "1h"}, "timeout must be a number, got '1h'"),
        (ImportOrdersOperator, {"timeout": timedelta(0)}, "timeout must be above 0 seconds"),
        (
            ReconcileOrdersOperator,
            {"compare": ["stauts"]},
            "compare: 'stauts' is not a field .*; did you mean 'status'?",
        ),
        (OrdersExportOperator, {"deferrable": "yes"}, "deferrable must be True or False, got 'yes'"),
        (OrdersExportOperator, {"max_rows_per_file": 0}, "max_rows_per_file must be at least 1, got 0"),
        (AsyncActionSensor, {"max_failed": -1}, "max_failed must be at least 0, got -1"),
        (AsyncActionSensor, {"fail_on_failed": None}, "fail_on_failed must be True or False, got None"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(cls, parameters, message):
    with pytest.raises(ConfigurationError, match=message.replace("{", r"\{")):
        cls(task_id="task", **(REQUIRED[cls] | parameters))


def test_numbers_that_are_templated_may_be_text(tmp_path):
    assert ImportOrdersOperator(task_id="task", orders=[], cycle_calls_left="{{ params.calls }}")


@pytest.mark.parametrize("cls", REQUIRED)
def test_templated_parameters_are_parameters_and_renderers_are_airflows(cls):
    assert set(cls.template_fields) <= {ATTRIBUTES.get(name, name) for name in own_parameters(cls)}
    assert set(cls.template_fields_renderers) <= set(cls.template_fields)
    assert set(cls.template_fields_renderers.values()) <= {"json", "sql"}


BOUNDS = ("window_start", "window_end")
PARAMETERS = {attribute: name for name, attribute in ATTRIBUTES.items()}
TEMPLATED = [(cls, PARAMETERS.get(name, name)) for cls in REQUIRED for name in cls.template_fields]


def late_values():
    """One of each kind of value that Airflow resolves when the task runs."""

    @task
    def upstream():
        return []

    found = upstream()
    return [found, found["key"], found.map(str), found.zip(found), literal("{{ kept }}")]


@pytest.mark.parametrize(("cls", "name"), TEMPLATED, ids=lambda value: getattr(value, "__name__", value))
def test_what_airflow_resolves_late_is_not_checked_when_the_dag_is_parsed(cls, name):
    names = BOUNDS if name in BOUNDS else (name,)
    seen = []
    with DAG("late", schedule=None):

        @task_group
        def mapped(argument):
            seen.append(argument)
            cls(task_id="mapped", **(given | dict.fromkeys(names, argument)))

        given = REQUIRED[cls] | TOGETHER.get(name, {})
        mapped.expand(argument=[1])
        for number, late in enumerate(late_values()):
            operator = cls(task_id=f"task{number}", **(given | dict.fromkeys(names, late)))
            assert getattr(operator, ATTRIBUTES.get(name, name)) is late
    assert [type(argument).__name__ for argument in seen] == ["MappedArgument"]


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (ImportOrdersOperator, "orders_path"),
        (ImportOrdersOperator, "report_path"),
        (SyncOrdersOperator, "spool_path"),
        (OrdersExportOperator, "output_path"),
        (ReconcileOrdersOperator, "window_end"),
        (UpdateOrderOperator, "order_id"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_parameter_that_was_given_must_not_render_to_none(cls, name):
    given = REQUIRED[cls] | TOGETHER.get(name, {}) | {name: "{{ params.nothing }}"}
    with DAG("native", schedule=None, render_template_as_native_obj=True):
        operator = cls(task_id="task", **given)
    with pytest.raises(ConfigurationError, match=re.escape(f"{name} rendered to None: {{{{ params.nothing }}}}")):
        operator.render_template_fields({"params": {"nothing": None}})
