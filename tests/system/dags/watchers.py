"""Three hundred watchers of one connection, and some of servers that hang."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_voucherify.triggers.orders import OrdersChangedTrigger

WATCHERS, HANGING = 300, 8


def watcher(connection: str, number: int) -> AssetWatcher:
    """Make one that differs from the others by its interval, as equal ones are one trigger."""
    trigger = OrdersChangedTrigger(connection, poll_interval=5.0 + number / 1000)
    return AssetWatcher(name=f"{connection}_{number}", trigger=trigger)


changed = Asset(
    "changed_orders",
    watchers=[
        *(watcher("watched", number) for number in range(WATCHERS)),
        *(watcher(f"hanging_{number}", 0) for number in range(HANGING)),
    ],
)


@task
def orders(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
    return [event.extra["payload"] for events in triggering_asset_events.values() for event in events]


with DAG("watchers", schedule=[changed], max_active_runs=1, is_paused_upon_creation=True):
    orders()
