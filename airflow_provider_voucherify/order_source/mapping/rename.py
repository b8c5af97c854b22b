"""Give the top-level fields of JSON orders their names in the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MALFORMED, InvalidOrderError, encode


def renamed(
    column_mapping: Mapping[str, str | None], constants: Mapping[str, str] | None = None
) -> Callable[[bytes], bytes]:
    """
    Make a function that gives the top-level fields of a JSON order their names in the API.

    :param column_mapping: Path in the API, with dots, by the name of the field; None drops it. Fields that are not
        named stay where they are.
    :param constants: Values by path, that all orders have besides.
    :return: A function from one JSON document to another; what is not a JSON object comes back as it is. It raises
        :class:`~airflow_provider_voucherify.order_source.schema.check.InvalidOrderError` where a path is taken.
    """
    paths = {name: None if path is None else tuple(path.split(".")) for name, path in column_mapping.items()}
    added = [(path, tuple(path.split(".")), msgspec.Raw(encode(value))) for path, value in (constants or {}).items()]

    def rename(body: bytes) -> bytes:
        try:
            order: dict[str, Any] = _decode_fields(body)
        except MALFORMED:
            return body
        moved = [(name, path, order.pop(name)) for name, path in paths.items() if name in order]
        for name, path, value in [*moved, *added]:
            if path is not None and not _put(order, path, value):
                raise InvalidOrderError(f"{name} is mapped to {'.'.join(path)}, and the order has something there")
        return encode(order)

    return rename


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = msgspec.Raw(b"null")


def _put(order: dict[str, Any], path: tuple[str, ...], value: msgspec.Raw) -> bool:
    for name in path[:-1]:
        inner = order.get(name, _NULL)
        if isinstance(inner, msgspec.Raw):
            try:
                inner = {} if inner == _NULL else _decode_fields(inner)
            except MALFORMED:  # there is a value where the path needs an object
                return False
        order[name] = inner
        order = inner
    if order.get(path[-1], _NULL) != _NULL:
        return False
    order[path[-1]] = value
    return True
