"""Search for what a request created whose response was lost, before it is sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from airflow_provider_voucherify.api.endpoints import LAST_PAGE, PAGE_SIZE, Endpoints
from airflow_provider_voucherify.api.models import AsyncAction, Export

# how far clocks may differ: what is found is proved or compared, so that looking back further costs nothing
SEARCH_MARGIN = timedelta(seconds=30)


def async_actions_since(
    client: Endpoints, sent_at: float, action_type: str, known_ids: Collection[str]
) -> list[AsyncAction]:
    """
    List the async actions that a lost request may have created.

    :param client: The API.
    :param sent_at: When the request was sent, in seconds since the epoch on Voucherify's clock.
    :param action_type: The type of action that it creates.
    :param known_ids: Actions that other requests created.
    :return: The actions, newest first.
    :raises ListingError: if the listing repeats or does not end, so that it proves nothing.
    """
    since = _earliest(sent_at)
    found: list[AsyncAction] = []
    for action in client.iter_async_actions():
        if action.created_at is None:
            continue
        if action.created_at < since:
            break
        if action.type == action_type and action.id not in known_ids:
            found.append(action)
    return found


def exports_since(client: Endpoints, sent_at: float, known_ids: Collection[str]) -> Iterator[Export]:
    """
    Yield the exports that a lost request may have created, newest first.

    :param client: The API.
    :param sent_at: When the request was sent, in seconds since the epoch on Voucherify's clock.
    :param known_ids: Exports that other requests created.
    """
    since = _earliest(sent_at)
    for page in range(1, LAST_PAGE + 1):
        exports = client.list_exports(limit=PAGE_SIZE, page=page, sort_order="-created_at").exports
        for export in exports:
            if export.created_at is None or export.created_at < since:
                return
            if export.id not in known_ids:
                yield export
        if len(exports) < PAGE_SIZE:
            return


def _earliest(sent_at: float) -> datetime:
    return datetime.fromtimestamp(sent_at, UTC) - SEARCH_MARGIN
