"""The options that say how the orders of a source are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source.files import Format
from airflow_provider_voucherify.order_source.mapping.normalize import AMOUNT_DECIMALS, AmountUnit, Conversion
from airflow_provider_voucherify.order_source.schema.field_types import ORDER


class SourceOptions(Options, frozen=True):
    """
    How the orders of a source are read.

    :param file_format: ``jsonl``, ``json``, ``csv`` or ``parquet``, where the names of the files do not say it.
    :param column_mapping: Paths in an order by column (in JSON: by top-level field): ``{"order_no": "source_id",
        "shop": "metadata.shop", "internal": None}``. Columns with the API's names, such as ``customer.source_id``, need
        none; None leaves a column out.
    :param amount_unit: ``minor``, or ``major`` where 12.34 means 1234; computed as decimals, never as floats.
    :param amount_decimals: The digits of the smallest currency unit after the point, with ``major``: 2, 0 for JPY, 3
        for KWD.
    :param order_date_metadata_key: Where in the metadata to keep ``created_at``, which the API overwrites.
    """

    file_format: Format | None = None
    column_mapping: Mapping[str, str | None] | None = None
    amount_unit: AmountUnit = "minor"
    amount_decimals: Annotated[int, Meta(ge=0)] = AMOUNT_DECIMALS
    order_date_metadata_key: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, path in (self.column_mapping or {}).items():
            if path is not None and ORDER.inner(path.split(".")) is None:
                raise ConfigurationError(f"column_mapping maps {name!r} to {path!r}, which is not a field of an order.")

    @property
    def conversion(self) -> Conversion | None:
        """What the values of the orders need to be as the API takes them; None if nothing."""
        conversion = Conversion(
            amount_unit=self.amount_unit,
            amount_decimals=self.amount_decimals,
            order_date_metadata_key=self.order_date_metadata_key,
        )
        return conversion if conversion.changes else None
