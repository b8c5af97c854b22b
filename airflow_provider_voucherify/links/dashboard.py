"""Links from a task to its async actions and exports in Voucherify's dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

    from airflow_provider_voucherify.hooks.voucherify import VoucherifyHook

SHOWN = "_dashboard_url"


class DashboardLink(BaseOperatorLink):
    """
    A link of a task. Its URL is an XCom that the task pushes as soon as it knows an id. Airflow 3 reads it there, and
    pushes it once more at the end of the task; Airflow 2 reads it through :meth:`get_link`.
    """

    resource: ClassVar[str]

    def show(self, context: Context, hook: VoucherifyHook, object_id: str) -> None:
        """
        Point the link to an object, if the URL of the dashboard is known.

        :param context: The context of the task.
        :param hook: The hook of its connection.
        :param object_id: The id of the async action or export.
        """
        if url := hook.transport.settings.dashboard_link(self.resource, object_id):
            context["ti"].xcom_push(key=self.xcom_key, value=url)
            setattr(context["ti"].task, SHOWN, url)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; empty as long as there is none."""
        if AIRFLOW_V_3_0_PLUS:
            # called in the process of the task, where reading an XCom that does not exist would log an error
            return getattr(operator, SHOWN, "")
        url: Any = XCom.get_value(key=self.xcom_key, ti_key=ti_key)
        return url or ""


class AsyncActionLink(DashboardLink):
    """The link to the last async action of a task, in the tab of the dashboard that lists it (documented)."""

    name = "Voucherify background tasks"
    xcom_key = "async_action_link"
    resource = "async-actions"


class ExportLink(DashboardLink):
    """The link to the last export of a task, in the tab of the dashboard that lists it (documented)."""

    name = "Voucherify exports"
    xcom_key = "export_link"
    resource = "exports"


def publish_exports(context: Context, hook: VoucherifyHook, export_ids: Sequence[str]) -> None:
    """
    Push the ids of exports to XCom, and point the link of the task to the last of them.

    :param context: The task.
    :param hook: The hook of its connection.
    :param export_ids: The exports requested up to now.
    """
    if export_ids:
        context["ti"].xcom_push(key="export_ids", value=list(export_ids))
        ExportLink().show(context, hook, export_ids[-1])
