"""The options of an import."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from airflow_provider_voucherify.api.facts import Facts
from airflow_provider_voucherify.core.validation import seconds_of
from airflow_provider_voucherify.order_load.config import LoadConfig
from airflow_provider_voucherify.order_source.duplicates import OnDuplicate

OnUnknown = Literal["verify", "report", "resend"]


class ImportConfig(LoadConfig, frozen=True, kw_only=True):
    """
    The options of an import.

    :param chunk_size: The largest number of orders in a request. The API accepts 2000 (documented, may change).
    :param max_body_bytes: The largest body of a request, in bytes. The limit of the API is not documented.
    :param max_in_flight: The largest number of chunks that wait at Voucherify. It imports one at a time (documented).
    :param max_bisections: The largest number of requests spent on finding the bad orders in refused chunks.
    :param max_resends: How often orders are sent again that failed for a passing reason ("Internal error").
    :param on_unknown: What becomes of orders of which Voucherify does not say whether they were loaded: ``verify``
        reads them back by an export, and sends again what is proved to be missing for a passing reason (where the
        ``facts`` of the connection say that imports update, it first sends them again, as ``resend`` does); ``report``
        leaves them unknown; ``resend`` states that it is safe to send an order with a ``source_id`` twice, because
        imports update by it (not documented), and sends them again.
    :param lost_request_timeout: How long a request may still arrive at Voucherify, and what it created may still become
        visible, after its response was lost: seconds or a timedelta; 2 minutes by default. Only then is it sent again.
    :param wait_for_completion: Whether to wait for the outcome. If not, all orders that were sent are ``unknown``, and
        ``async_action_ids`` has all actions, for an ``AsyncActionSensor`` to wait for.
    """

    on_duplicate: OnDuplicate | None = "error"
    chunk_size: Annotated[int, Meta(ge=1)] = 2000
    max_body_bytes: Annotated[int, Meta(ge=1)] = 8_000_000
    max_in_flight: Annotated[int, Meta(ge=1)] = 20
    max_bisections: Annotated[int, Meta(ge=0)] = 500
    max_resends: Annotated[int, Meta(ge=0)] = 1
    on_unknown: OnUnknown = "verify"
    lost_request_timeout: float | timedelta = 120.0
    wait_for_completion: bool = True

    def fitting(self, facts: Facts) -> Self:
        """
        Return the options within the limits of a project.

        :param facts: What was measured of it.
        """
        return msgspec.structs.replace(
            self,
            chunk_size=facts.limit("import_limit", self.chunk_size),
            max_body_bytes=facts.limit("body_limit", self.max_body_bytes),
        )

    def resends_unknown(self, facts: Facts) -> bool:
        """
        Return whether an order whose outcome is unknown is sent again: if the author of the DAG says that this is safe,
        or the facts of the project do.

        :param facts: What was measured of the project.
        """
        return self.on_unknown == "resend" or (self.verifies and facts.imports_update)

    @property
    def verifies(self) -> bool:
        """Whether orders whose outcome is unknown are read back at the end."""
        return self.on_unknown == "verify" and self.wait_for_completion

    @property
    def lost_request_seconds(self) -> float:
        """How long a request may still arrive after its response was lost, in seconds."""
        return seconds_of("lost_request_timeout", self.lost_request_timeout)
