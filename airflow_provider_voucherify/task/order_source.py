"""The parameters that say where an operator reads orders from, and the source that they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import AirflowException, BaseHook

from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import Query, SourceOptions, open_source
from airflow_provider_voucherify.order_source.source import Source
from airflow_provider_voucherify.task.lineage import files, queried
from airflow_provider_voucherify.task.parameters import (
    AnyPath,
    OptionalParameter,
    OptionsMixin,
    from_json,
    listed,
    storage_path,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

SPOOL_FOLDER = "spool"


class OrderInput(Options, frozen=True):
    """
    Where orders come from.

    :param orders: A list of orders, a pandas DataFrame or an Arrow table, or the XCom of a task that returns one of
        them.
    :param orders_path: A file, a glob or a folder, or a list of these, on any file system that Airflow's
        ``ObjectStoragePath`` knows: ``s3://aws_default@bucket/orders/*.parquet``. JSON lines, JSON arrays and CSV, each
        also as ``.gz`` or ``.zst``, and Parquet; and ``rejected/`` of an earlier import as it is.
    :param sql: A query whose rows are orders, or a ``.sql`` file with it. It runs once in a DAG run: its rows are
        written to ``spool_path``, and read from there by this try and all that follow, in constant memory.
    :param sql_conn_id: The connection that the query runs on, of any kind that has SQL in Airflow (a ``DbApiHook``).
    :param sql_parameters: The parameters of both queries, a list or an object, in the style of the database's driver.
    :param items_sql: A query, or a ``.sql`` file with it, whose rows are the items of the orders. Both queries have to
        be sorted by ``items_key``. Its columns are named by the fields of an item, or mapped to ``items.…``.
    :param items_key: The column, or a list of them, that has the key of the order in ``items_sql``. In ``sql`` it is
        the column of the same name; if there is none, that of the ``source_id``.
    :param spool_path: A folder for the rows of the query, ``spool/`` under ``report_path`` by default. A later DAG run
        replaces what is in it, so each task needs one of its own.
    """

    orders: Any = None
    orders_path: AnyPath | Sequence[AnyPath] | None = None
    sql: str | None = None
    sql_conn_id: str | None = None
    sql_parameters: Any = None
    items_sql: str | None = None
    items_key: str | Sequence[str] | None = None
    spool_path: AnyPath | None = None


class ReadsOrders(OptionsMixin):
    """
    An operator that reads orders. Its ``__init__`` is decorated with ``takes_options(OrderInput, SourceOptions, …)``.

    Templates have to be declared by each operator, with :attr:`order_template_fields` among its ``template_fields``.
    """

    order_template_fields: Sequence[str] = (
        "orders", "orders_path", "column_mapping", "sql", "sql_conn_id", "sql_parameters", "items_sql", "spool_path",
    )  # fmt: skip
    order_template_renderers = {
        "orders": "json", "column_mapping": "json", "sql": "sql", "sql_parameters": "json", "items_sql": "sql",
    }  # fmt: skip
    order_template_ext: Sequence[str] = (".sql",)  # and no format of orders: their path has to stay a path

    orders: Any
    orders_path = OptionalParameter()
    sql: str | None
    sql_conn_id: str | None
    sql_parameters: Any
    items_sql: str | None
    items_key: str | Sequence[str] | None
    spool_path = OptionalParameter()
    report_path: Any

    def _check_order_input(self) -> None:
        """
        Check which parameters are given, when the DAG is parsed.

        :raises ConfigurationError: if it is not one source of orders, or a parameter is missing for it.
        """
        if sum(given is not None for given in (self.orders, self.orders_path, self.sql)) != 1:
            raise ConfigurationError("Give the orders either as orders, as orders_path, or as sql.")
        if self.sql is None:
            given = [name for name in OrderInput.__struct_fields__[3:] if getattr(self, name) is not None]
            if given:
                raise ConfigurationError(f"{given[0]} is for orders that are given as sql.")
            return
        if self.sql_conn_id is None:
            raise ConfigurationError("sql needs sql_conn_id, the connection that the query runs on.")
        if self.report_path is None and self.spool_path is None:
            raise ConfigurationError(
                "sql needs a report_path or a spool_path: the rows of the query are written there first, so that a "
                "retry reads the same orders."
            )
        if (self.items_sql is None) != (self.items_key is None):
            raise ConfigurationError("items_sql and items_key have to be given together.")

    def _source(self, context: Context) -> Source:
        """
        Open the orders that the parameters name.

        :param context: The task.
        :raises ConfigurationError: if there is nothing to read, or a parameter has a value that it does not accept.
        """
        paths = None if self.orders_path is None else listed("orders_path", self.orders_path)
        orders = self.orders
        if isinstance(orders, str) and orders.lstrip().startswith("["):
            orders = from_json("orders", orders)
        query = self._query(context) if self.sql is not None else None
        return open_source(
            orders,
            None if paths is None else [storage_path("orders_path", path) for path in paths],
            query=query,
            spool=self._spool_folder() if query else None,
            **msgspec.structs.asdict(self._options(SourceOptions)),
        )

    def _files(self) -> list[Dataset]:
        """Name the files that the orders were read from, for OpenLineage."""
        paths = [] if self.orders_path is None else listed("orders_path", self.orders_path)
        return [files(str(path)) for path in paths]

    def _queried(self) -> OperatorLineage[Any, Any] | None:
        """Name the tables that the orders were read from, for OpenLineage."""
        queries = [query for query in (self.sql, self.items_sql) if query]
        return queried(str(self.sql_conn_id), queries) if queries else None

    def _query(self, context: Context) -> Query:
        conn_id = str(self.sql_conn_id)
        instance = context["ti"]
        return Query(
            sql=str(self.sql),
            parameters=from_json("sql_parameters", self.sql_parameters),
            items_sql=self.items_sql,
            items_key=self.items_key,
            connect=lambda: connect(conn_id),
            connection=conn_id,
            run=f"{instance.dag_id}/{context['run_id']}",
        )

    def _spool_folder(self) -> Any:
        if self.spool_path is not None:
            return storage_path("spool_path", self.spool_path)
        return storage_path("report_path", self.report_path) / SPOOL_FOLDER


def connect(conn_id: str) -> Any:
    """
    Open a DB-API connection.

    :param conn_id: The id of a connection in Airflow.
    :raises ConfigurationError: if it is one to something without SQL, or no provider for its type is installed.
    """
    connection = BaseHook.get_connection(conn_id)
    try:
        hook = connection.get_hook()
    except AirflowException as error:  # "Unknown hook type"
        raise ConfigurationError(
            f"sql_conn_id {conn_id} is a connection of type {connection.conn_type}, of which Airflow knows no hook: "
            f"install its provider where the task runs, such as apache-airflow-providers-{connection.conn_type}."
        ) from error
    if not (hasattr(hook, "get_conn") and hasattr(hook, "get_records")):
        raise ConfigurationError(
            f"sql_conn_id {conn_id} is a connection of type {connection.conn_type}, which has no SQL: its hook is "
            "not a DbApiHook."
        )
    return hook.get_conn()
