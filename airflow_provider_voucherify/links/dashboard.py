"""From a task to what it works on in Voucherify's dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

    from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

SHOWN = "_dashboard_url"


class DashboardLink(BaseOperatorLink):
    """
    A button at a task. Its URL is an XCom that the task writes as soon as it knows an id. Airflow 3 reads it there, and
    at the end of the task writes it once more; Airflow 2 reads it through :meth:`get_link`.
    """

    resource: ClassVar[str]

    def show(self, context: Context, hook: VoucherifyHook, object_id: str) -> None:
        """
        Make the link lead to an object, if it is known where the dashboard is.

        :param context: The task.
        :param hook: Its connection.
        :param object_id: The async action or export.
        """
        if url := hook.transport.settings.dashboard_link(self.resource, object_id):
            context["ti"].xcom_push(key=self.xcom_key, value=url)
            setattr(context["ti"].task, SHOWN, url)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the URL, or nothing as long as there is none."""
        if AIRFLOW_V_3_0_PLUS:
            # asked in the process of the task, where to read an XCom that is not there would log an error
            return getattr(operator, SHOWN, "")
        url: Any = XCom.get_value(key=self.xcom_key, ti_key=ti_key)
        return url or ""


class AsyncActionLink(DashboardLink):
    """To the last async action that a task knows of, under the tab that the dashboard lists it in (documented)."""

    name = "Voucherify background tasks"
    xcom_key = "async_action_link"
    resource = "async-actions"


class ExportLink(DashboardLink):
    """To the last export that a task knows of, under the tab that the dashboard lists it in (documented)."""

    name = "Voucherify exports"
    xcom_key = "export_link"
    resource = "exports"
