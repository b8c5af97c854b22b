"""The public import path of the operators for orders."""

from airflow_provider_voucherify.exceptions import (
    ExportFailedError,
    OrdersDifferError,
    OrdersNotLoadedError,
    OrdersRefusedError,
)
from airflow_provider_voucherify.operators.export_orders import OrdersExportOperator
from airflow_provider_voucherify.operators.import_orders import ImportOrdersOperator
from airflow_provider_voucherify.operators.order_details import OrderDetailsExportOperator
from airflow_provider_voucherify.operators.reconcile_orders import ReconcileOrdersOperator
from airflow_provider_voucherify.operators.single_orders import CreateOrderOperator, UpdateOrderOperator
from airflow_provider_voucherify.operators.sync_orders import SyncOrdersOperator

__all__ = [
    "CreateOrderOperator",
    "ExportFailedError",
    "ImportOrdersOperator",
    "OrderDetailsExportOperator",
    "OrdersDifferError",
    "OrdersExportOperator",
    "OrdersNotLoadedError",
    "OrdersRefusedError",
    "ReconcileOrdersOperator",
    "SyncOrdersOperator",
    "UpdateOrderOperator",
]
