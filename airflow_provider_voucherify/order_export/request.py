"""What is asked of an export, checked before it is asked. Loads no pyarrow: DAG files import this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS, Endpoints
from airflow_provider_voucherify.api.models import Export
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.filters import check_filters
from airflow_provider_voucherify.order_export.names import METADATA_PREFIX, METADATA_X, hint, is_metadata_key

OnBadValue = Literal["fail", "side_file"]  # what becomes of a row that does not fit its columns
ORDERS = ("created_at", "-created_at", "updated_at", "-updated_at", "status", "-status")
ARROW_TYPES = (
    "string, bool, int8 to int64, uint8 to uint64, float32, float64, date32, timestamp[ms], "
    "timestamp[ms, tz=UTC] (or s, us, ns), decimal128(precision, scale)"
)
ARROW_TYPE = re.compile(
    r"string|bool|u?int(?:8|16|32|64)|float(?:32|64)?|double|date32(?:\[day\])?"
    r"|timestamp\[(?:s|ms|us|ns)(?:, ?tz=UTC)?\]|decimal128\((?:[1-9]|[12]\d|3[0-8]), ?\d{1,2}\)"
)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """
    An export of orders. All parts are JSON, so that it can be kept and made anew: ``ExportRequest(**asdict(request))``.

    :param fields: Which columns, in their order: names of :data:`~.api.endpoints.ORDER_FIELDS`, and ``metadata.X``
        for a single key of the metadata (documented). By default all order fields, and ``metadata.X`` for each key
        of ``metadata_schema``.
    :param filters: Which orders, as the API has it (documented):
        ``{"status": {"conditions": {"$is": ["PAID"]}}, "junction": "and"}``.
    :param order: ``created_at``, ``updated_at`` or ``status``, with ``-`` before it for descending (documented).
    :param metadata_schema: The Arrow types of ``metadata.X`` columns by key, by name (``int64``) or as a pyarrow
        type. Keys that are not named are strings.
    :raises ConfigurationError: if the API would refuse it, naming the value and what is allowed.
    """

    fields: Sequence[str] | None = None
    filters: Mapping[str, Any] | None = None
    order: str | None = None
    metadata_schema: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.metadata_schema, Mapping):
            raise ConfigurationError(
                f"metadata_schema must be an object of types by key, got {self.metadata_schema!r}."
            )
        types = {key: str(name) for key, name in self.metadata_schema.items()}
        typed = [f"{METADATA_PREFIX}{key}" for key in types]
        fields = [*ORDER_FIELDS, *typed] if self.fields is None else self.fields
        _check_fields(fields)
        _check_types(types, fields)
        _check_order(self.order)
        if self.filters is not None:
            check_filters(self.filters)
        object.__setattr__(self, "fields", tuple(fields))
        object.__setattr__(self, "metadata_schema", types)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the API is sent."""
        given = {"fields": self.fields, "filters": self.filters, "order": self.order}
        parameters: dict[str, Any] = msgspec.json.decode(
            msgspec.json.encode({name: value for name, value in given.items() if value})
        )
        return parameters

    def is_asked_by(self, export: Export) -> bool:
        """
        Tell whether an export asks for the same.

        :param export: An export of any kind.
        """
        asked = {name: value for name, value in export.parameters.items() if value}
        return export.exported_object == "order" and asked == self.parameters

    def submit(self, client: Endpoints) -> str:
        """
        Ask for the export.

        :param client: The API.
        :return: The id of the export, which is now SCHEDULED.
        :raises TransportError: with ``sent=True`` when the export may have been scheduled and its id is lost.
        """
        parameters = self.parameters
        return client.create_order_export(sort_order=parameters.pop("order", None), **parameters).id


def _check_fields(fields: Sequence[str]) -> None:
    named = isinstance(fields, Sequence) and all(isinstance(name, str) for name in fields)
    if not named or not fields or isinstance(fields, str):
        raise ConfigurationError(f"fields must be a list of at least one name, got {fields!r}.")
    for name in fields:
        if name not in ORDER_FIELDS and not is_metadata_key(name):
            raise ConfigurationError(
                f"fields: {name!r} is no field of an order{hint(name, (*ORDER_FIELDS, METADATA_X))}"
            )
    repeated = sorted({name for name in fields if list(fields).count(name) > 1})
    if repeated:
        raise ConfigurationError(f"fields: {', '.join(repeated)} is named more than once.")


def _check_types(types: Mapping[str, str], fields: Sequence[str]) -> None:
    for key, name in types.items():
        if f"{METADATA_PREFIX}{key}" not in fields:
            raise ConfigurationError(
                f"metadata_schema: {key!r} has a type, but 'metadata.{key}' is not among the fields. Add it there."
            )
        if not ARROW_TYPE.fullmatch(name):
            raise ConfigurationError(
                f"metadata_schema: {name!r} of {key!r} is no type for a column. Allowed: {ARROW_TYPES}."
            )


def _check_order(order: str | None) -> None:
    if order is not None and order not in ORDERS:
        raise ConfigurationError(f"order: {order!r} is no order of an export{hint(order, ORDERS)}")
