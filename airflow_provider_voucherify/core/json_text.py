"""An Arrow type for text that is a JSON document, which Parquet files keep."""

from __future__ import annotations

import contextlib
from typing import Self

import pyarrow as pa


class JsonText(pa.ExtensionType):  # type: ignore[misc]
    """
    Text that is a JSON document: it is written into an order as it is, and not as a JSON string.

    Arrow has a type like it from version 19 on, ``arrow.json``, which is treated in the same way.
    """

    def __init__(self) -> None:
        super().__init__(pa.string(), "airflow_provider_voucherify.json")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Self:
        return cls()


def is_json_text(kind: pa.DataType) -> bool:
    """
    Return whether the values of a type are JSON documents.

    :param kind: An Arrow type.
    """
    return isinstance(kind, JsonText) or getattr(kind, "extension_name", "") == "arrow.json"


with contextlib.suppress(pa.ArrowKeyError):  # registered before the module was loaded again
    pa.register_extension_type(JsonText())
